// Evaluation by blocks against the definitions over the whole matrix: filtered, pooled, sampled, softmax.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <set>
#include <string>

#include "backend/backend.h"
#include "error.h"
#include "metrics/metrics.h"
#include "metrics/negatives.h"

namespace {

using onelogit::AlsoCorrect;
using onelogit::EvaluationOptions;
using onelogit::EvaluationResult;
using onelogit::RankingMetrics;

constexpr float infinity = std::numeric_limits<float>::infinity();

struct Problem {
  std::int64_t n, k;
  std::vector<float> scores;
  std::vector<std::int32_t> labels;
  AlsoCorrect also_correct;

  bool excluded(std::int64_t i, std::int64_t j) const {
    const auto row = also_correct.of(i);
    return std::find(row.begin(), row.end(), j) != row.end();
  }
  EvaluationResult evaluate(EvaluationOptions options) const {
    options.also_correct = &also_correct;
    return onelogit::evaluate_scores(scores.data(), labels.data(), n, k, options);
  }
};

// Scores rounded to 1/levels; a share of the pairs is also correct.
Problem random_problem(std::int64_t n, std::int64_t k, int levels, double share, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<double> uniform;
  Problem problem{n, k, {}, {}, {}};
  problem.also_correct.first.push_back(0);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto label = static_cast<std::int32_t>(uniform(random) * uniform(random) * static_cast<double>(k));
    problem.labels.push_back(label);
    for (std::int32_t j = 0; j < k; ++j) {
      problem.scores.push_back(std::round((normal(random) + (j == label ? 1.5f : 0.0f)) * levels) / levels);
      if (j != label && uniform(random) < share) problem.also_correct.classes.push_back(j);
    }
    problem.also_correct.first.push_back(static_cast<std::int32_t>(problem.also_correct.classes.size()));
  }
  return problem;
}

struct Ranked {
  float score;
  bool positive;
};

// Every distinct score tried as a threshold.
RankingMetrics plain(std::vector<Ranked> pairs) {
  std::sort(pairs.begin(), pairs.end(), [](Ranked a, Ranked b) { return a.score > b.score; });
  double all = 0, right = 0, before = 0;
  for (const Ranked& pair : pairs) all += pair.positive;
  RankingMetrics metrics;
  bool reached_90 = false, reached_99 = false;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    right += pairs[i].positive;
    if (i + 1 < pairs.size() && pairs[i + 1].score == pairs[i].score) continue;
    const double precision = right / static_cast<double>(i + 1), recall = right / all;
    metrics.average_precision += (recall - before) * precision;
    before = recall;
    if (recall >= 0.9 && !reached_90) metrics.precision_at_90 = precision, reached_90 = true;
    if (recall >= 0.99 && !reached_99) metrics.precision_at_99 = precision, reached_99 = true;
  }
  return metrics;
}

void check_equal(const RankingMetrics& result, const RankingMetrics& expected) {
  CHECK(result.average_precision == doctest::Approx(expected.average_precision).epsilon(1e-11));
  CHECK(result.precision_at_90 == doctest::Approx(expected.precision_at_90).epsilon(1e-11));
  CHECK(result.precision_at_99 == doctest::Approx(expected.precision_at_99).epsilon(1e-11));
}

void check_macro(const EvaluationResult& result, const onelogit::MacroAverage& average, std::int64_t least) {
  RankingMetrics sum;
  double count = 0;
  for (const auto& one : result.per_class)
    if (one.positives >= least) {
      ++count;
      sum.average_precision += one.average_precision;
      sum.precision_at_90 += one.precision_at_90;
      sum.precision_at_99 += one.precision_at_99;
    }
  CHECK(average.classes == count);
  if (count == 0) {
    CHECK(std::isnan(average.average_precision));
    return;
  }
  check_equal(average, {sum.average_precision / count, sum.precision_at_90 / count, sum.precision_at_99 / count});
}

void check_against_plain(const Problem& problem, const EvaluationOptions& options) {
  const auto& [n, k, scores, labels, also_correct] = problem;
  const EvaluationResult result = problem.evaluate(options);
  std::vector<Ranked> pooled;
  for (std::int64_t j = 0; j < k; ++j) {
    std::vector<Ranked> column;
    std::int64_t positives = 0;
    for (std::int64_t i = 0; i < n; ++i)
      if (!problem.excluded(i, j)) {
        column.push_back({scores[i * k + j], labels[i] == j});
        positives += labels[i] == j;
      }
    pooled.insert(pooled.end(), column.begin(), column.end());
    CHECK(result.per_class[j].positives == positives);
    if (positives > 0) check_equal(result.per_class[j], plain(column));
  }
  check_equal(result.pooled, plain(pooled));
  CHECK(result.pooled.negatives == static_cast<std::int64_t>(pooled.size()) - n);
  check_macro(result, result.occurring, 1);
  check_macro(result, result.at_least_five_positives, 5);

  std::int64_t correct = 0;
  double wrong = 0, pairs = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t best = -1;
    for (std::int64_t j = 0; j < k; ++j) {
      if (problem.excluded(i, j)) continue;
      if (best < 0 || scores[i * k + j] > scores[i * k + best]) best = j;
      if (j == labels[i]) continue;
      for (std::int64_t a = 0; a < n; ++a) {
        pairs += 1;
        wrong += !(scores[a * k + labels[a]] > scores[i * k + j]);
      }
    }
    correct += best == labels[i];
  }
  CHECK(result.accuracy == doctest::Approx(static_cast<double>(correct) / static_cast<double>(n)));
  CHECK(result.separation.misordered == doctest::Approx(pairs > 0 ? wrong / pairs : 0).epsilon(1e-12));
  CHECK(result.separation.holds == (wrong == 0));
}

std::string code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const onelogit::Error& error) {
    return error.code();
  }
  return "";
}

EvaluationOptions blocks_of(std::int64_t examples, std::int64_t classes) {
  EvaluationOptions options;
  options.block_examples = examples;
  options.block_classes = classes;
  return options;
}

}  // namespace

TEST_CASE("evaluation by blocks equals the definitions") {
  unsigned seed = 0;
  for (const auto& [n, k] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1, 1}, {5, 1}, {1, 2}, {3, 9}, {33, 17}, {40, 130}, {150, 6}})
    for (const int levels : {1, 1000})
      for (const double share : {0.0, 0.1, 1.0})
        for (const auto& [examples, classes] :
             std::vector<std::pair<std::int64_t, std::int64_t>>{{256, 4096}, {7, 5}, {1, 1}, {32, 16}}) {
          CAPTURE(n);
          CAPTURE(k);
          CAPTURE(levels);
          CAPTURE(share);
          CAPTURE(classes);
          check_against_plain(random_problem(n, k, levels, share, ++seed), blocks_of(examples, classes));
        }
}

TEST_CASE("evaluation cut over threads equals the definitions") {
  check_against_plain(random_problem(260, 300, 4, 0.02, 77), blocks_of(256, 256));
}

TEST_CASE("evaluation ranks infinities like other scores, filtered too") {
  for (const float value : {-infinity, infinity}) {
    Problem problem = random_problem(30, 5, 1, 0.3, 5);
    for (std::size_t i = 0; i < problem.scores.size(); i += 2) problem.scores[i] = i % 3 ? value : -value;
    check_against_plain(problem, blocks_of(8, 3));
    std::fill(problem.scores.begin(), problem.scores.end(), value);
    check_against_plain(problem, blocks_of(8, 3));
  }
}

TEST_CASE("evaluation does not look at scores of classes that are also correct") {
  // Class 2 beats the label, but is right as well.
  const Problem problem{1, 3, {1, 0, 5}, {0}, {{0, 1}, {2}}};
  const EvaluationResult result = problem.evaluate({});
  CHECK(result.accuracy == 1);
  CHECK(result.separation.holds);
  CHECK(result.pooled.average_precision == 1);
  CHECK(result.pooled.negatives == 1);
  Problem unfiltered = problem;
  unfiltered.also_correct = {};
  CHECK(unfiltered.evaluate({}).accuracy == 0);
}

TEST_CASE("evaluation refuses NaN anywhere, excluded pairs too") {
  const Problem good = random_problem(9, 7, 3, 0.3, 8);
  for (std::size_t i = 0; i < good.scores.size(); ++i) {
    Problem problem = good;
    problem.scores[i] = std::numeric_limits<float>::quiet_NaN();
    for (const bool softmax : {false, true}) {
      EvaluationOptions options = blocks_of(4, 3);
      options.softmax = softmax;
      CHECK(code_of([&] { problem.evaluate(options); }) == "ERR_ONELOGIT_NOT_FINITE");
    }
  }
}

TEST_CASE("evaluation refuses compressed rows that are none") {
  constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
  const Problem good{2, 4, std::vector<float>(8), {0, 1}, {{0, 1, 3}, {2, 0, 3}}};
  CHECK(code_of([&] { good.evaluate({}); }).empty());
  for (const AlsoCorrect& bad : std::vector<AlsoCorrect>{{{0, 3}, {2, 0, 3}},
                                                         {{0, 1, 3, 3}, {2, 0, 3}},
                                                         {{1, 1, 3}, {2, 0, 3}},
                                                         {{0, 1, 2}, {2, 0, 3}},
                                                         {{0, most, 3}, {2, 0, 3}},
                                                         {{0, -1, 3}, {2, 0, 3}},
                                                         {{0, 1, -3}, {2, 0, 3}},
                                                         {{}, {2, 0, 3}},
                                                         {{0, 1, 3}, {4, 0, 3}},
                                                         {{0, 1, 3}, {-1, 0, 3}},
                                                         {{0, 1, 3}, {2, 3, 0}},
                                                         {{0, 1, 3}, {2, 3, 3}},
                                                         {{0, 1, 3}, {0, 0, 3}}}) {
    Problem problem = good;
    problem.also_correct = bad;
    CHECK(code_of([&] { problem.evaluate({}); }) == "ERR_ONELOGIT_ALSO_CORRECT");
  }
}

TEST_CASE("softmax by blocks ranks like probabilities of the whole row") {
  onelogit::Backend& backend = onelogit::cpu_backend();
  for (const auto& [n, k] : std::vector<std::pair<std::int64_t, std::int64_t>>{{20, 1}, {50, 37}, {300, 11}}) {
    const Problem logits = random_problem(n, k, 1000, 0.05, 31);
    Problem probabilities = logits;
    backend.softmax_forward(logits.scores.data(), probabilities.scores.data(), n, k);
    EvaluationOptions options;
    options.softmax = true;
    const EvaluationResult whole = probabilities.evaluate({}), one_block = logits.evaluate(options);
    // The same arithmetic in the same order where a row is one block.
    CHECK(one_block.pooled.average_precision == whole.pooled.average_precision);
    CHECK(one_block.occurring.average_precision == whole.occurring.average_precision);
    CHECK(one_block.separation.misordered == whole.separation.misordered);
    CHECK(one_block.accuracy == whole.accuracy);
    options.block_examples = 16;
    options.block_classes = 5;
    const EvaluationResult blocks = logits.evaluate(options);
    CHECK(blocks.pooled.average_precision == doctest::Approx(whole.pooled.average_precision).epsilon(1e-4));
    CHECK(blocks.occurring.average_precision == doctest::Approx(whole.occurring.average_precision).epsilon(1e-4));
    CHECK(blocks.accuracy == whole.accuracy);
  }
}

TEST_CASE("sampled negatives: all of them where there are few, an estimate otherwise") {
  const Problem problem = random_problem(400, 300, 50, 0.05, 12);
  const EvaluationResult exact = problem.evaluate({});
  EvaluationOptions options = blocks_of(64, 77);
  options.negatives = 300;
  check_equal(problem.evaluate(options).pooled, exact.pooled);
  CHECK(problem.evaluate(options).pooled.negatives == exact.pooled.negatives);

  options.negatives = 60;
  double mean = 0;
  for (options.seed = 1; options.seed <= 10; ++options.seed) {
    const EvaluationResult sampled = problem.evaluate(options);
    CHECK(sampled.pooled.negatives == 400 * 60);
    CHECK(sampled.pooled.average_precision == doctest::Approx(exact.pooled.average_precision).epsilon(0.15));
    CHECK(sampled.pooled.precision_at_90 == doctest::Approx(exact.pooled.precision_at_90).epsilon(0.15));
    CHECK(sampled.separation.misordered == exact.separation.misordered);  // not sampled
    mean += sampled.pooled.average_precision / 10;
  }
  CHECK(mean == doctest::Approx(exact.pooled.average_precision).epsilon(0.04));

  // The same draws whatever the blocks; other draws by another seed.
  options.seed = 3;
  const double one = problem.evaluate(options).pooled.average_precision;
  options.block_examples = 400;
  options.block_classes = 300;
  CHECK(problem.evaluate(options).pooled.average_precision == doctest::Approx(one).epsilon(1e-12));
  options.seed = 4;
  CHECK(problem.evaluate(options).pooled.average_precision != one);
}

TEST_CASE("negatives are drawn uniformly from the wrong classes") {
  const std::vector<std::int32_t> also_correct{0, 1, 4, 9};
  constexpr std::int32_t label = 5;
  onelogit::NegativeSampler sampler(7, 10, 4);
  std::vector<std::int64_t> drawn_times(10);
  for (std::int64_t example = 0; example < 20000; ++example) {
    std::vector<std::int32_t> drawn{-1};
    CHECK(sampler.draw(example, label, also_correct, drawn) == 5.0 / 4);
    REQUIRE(drawn.size() == 5);
    CHECK(std::is_sorted(drawn.begin(), drawn.end()));
    for (std::size_t i = 1; i < drawn.size(); ++i) ++drawn_times.at(drawn[i]);
  }
  for (const std::int32_t wrong : {2, 3, 6, 7, 8}) {
    CHECK(drawn_times[wrong] == doctest::Approx(16000).epsilon(0.04));
    drawn_times[wrong] = 0;
  }
  CHECK(std::count(drawn_times.begin(), drawn_times.end(), 0) == 10);
  std::vector<std::int32_t> all;
  CHECK(onelogit::NegativeSampler(7, 10, 5).draw(0, label, also_correct, all) == 1);
  CHECK(all == std::vector<std::int32_t>{2, 3, 6, 7, 8});
}

TEST_CASE("evaluation stops between blocks") {
  const Problem problem = random_problem(10, 10, 2, 0, 1);
  class Blocks final : public onelogit::ScoreBlocks {
   public:
    explicit Blocks(std::atomic<bool>& stop) : stop_(stop) {}
    std::int64_t examples() const override { return 10; }
    std::int64_t classes() const override { return 10; }
    void choose(const std::int64_t*, std::int64_t count) override { scores_.assign(count * 10, 0); }
    float* scores(std::int64_t, std::int64_t) override {
      if (++asked == 7) stop_.store(true);
      return scores_.data();
    }
    int asked = 0;

   private:
    std::atomic<bool>& stop_;
    std::vector<float> scores_;
  };
  std::atomic<bool> stop = false;
  Blocks blocks(stop);
  EvaluationOptions options = blocks_of(3, 4);
  options.cancelled = &stop;
  CHECK_FALSE(onelogit::evaluate(blocks, problem.labels.data(), options).has_value());
  CHECK(blocks.asked == 7);
}
