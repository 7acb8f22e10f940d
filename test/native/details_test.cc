// What a report shows, against counting it plainly.

#include "metrics/details.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "metrics/metrics.h"

namespace {

using onelogit::CurvePoint;
using onelogit::DetailsOptions;
using onelogit::EvaluationDetails;
using onelogit::EvaluationOptions;
using onelogit::EvaluationResult;
using onelogit::ScoreGrid;

struct Problem {
  std::int64_t m, k;
  std::vector<float> scores;
  std::vector<std::int32_t> labels;
  float score(std::int64_t i, std::int64_t j) const { return scores[i * k + j]; }
};

// Few distinct scores, so that many are tied and lie on bounds of bins; classes of very different frequency.
Problem random_problem(std::int64_t m, std::int64_t k, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<double> uniform;
  Problem problem{m, k, std::vector<float>(m * k), std::vector<std::int32_t>(m)};
  for (std::int64_t i = 0; i < m; ++i) {
    problem.labels[i] = static_cast<std::int32_t>(uniform(random) * uniform(random) * static_cast<double>(k));
    for (std::int64_t j = 0; j < k; ++j)
      problem.scores[i * k + j] = std::round((3 * normal(random) + (j == problem.labels[i] ? 4.0f : 0.0f)) * 4) / 4;
  }
  return problem;
}

EvaluationResult run(const Problem& problem, const DetailsOptions& details, std::int64_t block_examples = 256,
                     std::int64_t block_classes = 4096, const onelogit::AlsoCorrect* also_correct = nullptr) {
  EvaluationOptions options;
  options.details = &details;
  options.block_examples = block_examples;
  options.block_classes = block_classes;
  options.also_correct = also_correct;
  return evaluate_scores(problem.scores.data(), problem.labels.data(), problem.m, problem.k, options);
}

void check_histogram(const onelogit::ScoreHistogram& histogram, const std::vector<float>& edges,
                     const std::vector<float>& right, const std::vector<float>& wrong) {
  const auto bins = static_cast<std::int64_t>(edges.size()) - 1;
  for (std::int64_t b = 0; b < bins; ++b) {
    const auto in_bin = [&](const std::vector<float>& scores) {
      return std::count_if(scores.begin(), scores.end(),
                           [&](float s) { return (b == 0 || s >= edges[b]) && (b == bins - 1 || s < edges[b + 1]); });
    };
    CHECK(histogram.true_counts[b] == in_bin(right));
    CHECK(histogram.false_counts[b] == in_bin(wrong));
  }
}

void check_curve(const std::vector<CurvePoint>& curve, const std::vector<float>& right,
                 const std::vector<float>& wrong) {
  for (const CurvePoint& point : curve) {
    const auto reach = [&](float s) { return s >= point.threshold; };
    CHECK(point.true_positives == std::count_if(right.begin(), right.end(), reach));
    CHECK(point.false_positives == std::count_if(wrong.begin(), wrong.end(), reach));
  }
  CHECK(std::is_sorted(curve.begin(), curve.end(),
                       [](const CurvePoint& a, const CurvePoint& b) { return a.threshold > b.threshold; }));
  REQUIRE(!curve.empty());
  CHECK(curve.back().true_positives == static_cast<std::int64_t>(right.size()));
}

void check_against_plain(const Problem& problem, const EvaluationDetails& details, const std::vector<float>& thresholds,
                         const onelogit::AlsoCorrect& also_correct = {}) {
  const std::int64_t m = problem.m, k = problem.k;
  std::vector<std::vector<float>> right(k), wrong(k);
  std::vector<float> all_right, all_wrong;
  std::map<std::pair<std::int32_t, std::int32_t>, std::int64_t> confused;
  for (std::int64_t i = 0; i < m; ++i) {
    const std::int32_t label = problem.labels[i];
    const auto excluded = also_correct.of(i);
    for (std::int32_t j = 0; j < k; ++j) {
      const float score = problem.score(i, j);
      if (j == label) {
        right[j].push_back(score);
        all_right.push_back(score);
      } else if (std::find(excluded.begin(), excluded.end(), j) == excluded.end()) {
        wrong[j].push_back(score);
        all_wrong.push_back(score);
        if (score > problem.score(i, label)) ++confused[{label, j}];
      }
    }
  }
  check_histogram(details.pooled, details.edges, all_right, all_wrong);
  check_curve(details.pooled_curve, all_right, all_wrong);
  for (const auto& one : details.classes) {
    check_histogram(one, details.edges, right[one.class_id], wrong[one.class_id]);
    check_curve(one.curve, right[one.class_id], wrong[one.class_id]);
  }
  std::vector<onelogit::Confusion> expected;
  expected.reserve(confused.size());
  for (const auto& [pair, examples] : confused) expected.push_back({pair.first, pair.second, examples});
  std::sort(expected.begin(), expected.end(), onelogit::more_frequent);
  const auto same = [](const std::vector<onelogit::Confusion>& got, const std::vector<onelogit::Confusion>& want,
                       std::size_t most) {
    REQUIRE(got.size() == std::min(want.size(), most));
    for (std::size_t i = 0; i < got.size(); ++i) {
      CHECK(got[i].label == want[i].label);
      CHECK(got[i].wrong == want[i].wrong);
      CHECK(got[i].examples == want[i].examples);
    }
  };
  same(details.confusions, expected, 200);
  for (const auto& one : details.classes) {
    std::vector<onelogit::Confusion> own;
    std::copy_if(expected.begin(), expected.end(), std::back_inserter(own),
                 [&](const auto& confusion) { return confusion.label == one.class_id; });
    same(one.confusions, own, 5);
  }
  for (std::int64_t j = 0; j < static_cast<std::int64_t>(thresholds.size()); ++j) {
    const auto reach = [&](float s) { return s >= thresholds[j]; };
    CHECK(details.true_at_threshold[j] == std::count_if(right[j].begin(), right[j].end(), reach));
    CHECK(details.false_at_threshold[j] == std::count_if(wrong[j].begin(), wrong[j].end(), reach));
  }
}

}  // namespace

TEST_CASE("details equal plain counts, however scores come in blocks") {
  for (const auto& size : {std::pair<std::int64_t, std::int64_t>{1, 1}, {60, 3}, {400, 10}, {150, 97}}) {
    const std::int64_t m = size.first, k = size.second;
    const Problem problem = random_problem(m, k, static_cast<unsigned>(m + k));
    std::vector<float> thresholds(k);
    for (std::int64_t j = 0; j < k; ++j) thresholds[j] = static_cast<float>(j % 9) - 2;
    DetailsOptions options;
    options.thresholds = thresholds;
    for (const auto& block : {std::pair<std::int64_t, std::int64_t>{256, 4096}, {7, 5}, {1, 4096}, {64, 1}}) {
      const std::int64_t examples = block.first, classes = block.second;
      CAPTURE(m);
      CAPTURE(examples);
      CAPTURE(classes);
      const EvaluationResult result = run(problem, options, examples, classes);
      REQUIRE(result.details);
      check_against_plain(problem, *result.details, thresholds);
      for (std::size_t i = 1; i < result.details->classes.size(); ++i)
        CHECK(result.per_class[result.details->classes[i - 1].class_id].average_precision <=
              result.per_class[result.details->classes[i].class_id].average_precision);
    }
  }
}

TEST_CASE("details leave out what is also correct") {
  const Problem problem = random_problem(120, 11, 5);
  onelogit::AlsoCorrect also_correct;
  also_correct.first.push_back(0);
  for (std::int64_t i = 0; i < problem.m; ++i) {
    for (std::int32_t j = 0; j < problem.k; ++j)
      if (j != problem.labels[i] && (i + j) % 4 == 0) also_correct.classes.push_back(j);
    also_correct.first.push_back(static_cast<std::int32_t>(also_correct.classes.size()));
  }
  const DetailsOptions options;
  const EvaluationResult result = run(problem, options, 13, 4, &also_correct);
  check_against_plain(problem, *result.details, {}, also_correct);
}

TEST_CASE("details are of the hardest classes, if not of all") {
  const Problem problem = random_problem(300, 40, 8);
  DetailsOptions options;
  options.classes = 6;
  const EvaluationResult result = run(problem, options);
  REQUIRE(result.details->classes.size() == 6);
  const double most = result.per_class[result.details->classes.back().class_id].average_precision;
  std::int64_t easier = 0;
  for (const auto& one : result.per_class) easier += one.positives > 0 && one.average_precision >= most ? 1 : 0;
  CHECK(easier + 5 >= result.occurring.classes);
  check_against_plain(problem, *result.details, {});
}

TEST_CASE("scores that are infinite, or all one, have a histogram, too") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const DetailsOptions options;
  Problem problem{4, 3, {1, -infinity, 2, 0, infinity, 1, 3, 3, -2, 1, 1, 1}, {0, 1, 2, 0}};
  check_against_plain(problem, *run(problem, options).details, {});
  problem.scores.assign(12, 2.5f);
  check_against_plain(problem, *run(problem, options).details, {});
  problem.scores.assign(12, infinity);
  check_against_plain(problem, *run(problem, options).details, {});
  problem.scores.assign(12, 3e38f);
  problem.scores[4] = -3e38f;
  check_against_plain(problem, *run(problem, options).details, {});
}

TEST_CASE("a grid has round bounds and finds bins exactly") {
  const ScoreGrid grid(-3.17f, 12.02f, 400);
  CHECK(grid.bins() <= 400);
  CHECK(grid.bins() > 150);
  CHECK(grid.edges()[0] == -3.2f);
  CHECK(grid.edges()[1] == -3.15f);
  std::mt19937 random(3);
  for (const auto& range : {std::pair<float, float>{0, 1},
                            {-1e-20f, 1e-20f},
                            {1e6f, 1e6f + 1},
                            {-80, -79.9f},
                            {5, 5},
                            {-3e38f, 3e38f},
                            {0, 0}}) {
    const float least = range.first, greatest = range.second;
    const ScoreGrid other(least, greatest, 400);
    CAPTURE(least);
    CHECK(other.bins() >= 1);
    CHECK(other.bins() <= 400);
    CHECK(std::is_sorted(other.edges().begin(), other.edges().end()));
    CHECK(std::adjacent_find(other.edges().begin(), other.edges().end()) == other.edges().end());
    std::uniform_real_distribution<float> between(least / 2, greatest / 2 + 1e-30f);
    for (int i = 0; i < 2000; ++i) {
      const float score = i < static_cast<int>(other.edges().size()) ? other.edges()[i] : 2 * between(random);
      const std::int64_t bin = other.bin_of(score);
      if (bin > 0) CHECK(score >= other.edges()[bin]);
      if (bin < other.bins() - 1) CHECK(score < other.edges()[bin + 1]);
    }
  }
}

TEST_CASE("a thinned curve keeps every peak and dip, to the width of a part") {
  std::mt19937 random(11);
  std::uniform_int_distribution<int> more(0, 30);
  for (const std::int64_t most : {6, 40, 80, 1000}) {
    std::vector<CurvePoint> points;
    std::int64_t right = 0, wrong = 0;
    for (int t = 0; t < 5000; ++t) {
      right += 1 + (more(random) == 0 ? 20 : 0);
      wrong += std::max(0, more(random) - 28 + t / 1000);
      points.push_back({-static_cast<float>(t), right, wrong});
    }
    const std::vector<CurvePoint> thinned = thin_curve(points, most);
    CAPTURE(most);
    CHECK(static_cast<std::int64_t>(thinned.size()) <= most);
    CHECK(thinned.front().threshold == points.front().threshold);
    CHECK(thinned.back().threshold == points.back().threshold);
    const std::int64_t parts = (most - 2) / 4;
    const double width = 1.0 / static_cast<double>(parts) + 1e-12;
    const auto recall = [&](const CurvePoint& point) {
      return static_cast<double>(point.true_positives) / static_cast<double>(right);
    };
    for (const CurvePoint& point : points) {
      const auto near = [&](auto also) {
        return std::any_of(thinned.begin(), thinned.end(), [&](const CurvePoint& kept) {
          return std::abs(recall(kept) - recall(point)) <= width && also(kept.precision(), point.precision());
        });
      };
      CHECK(near([](double kept, double dropped) { return kept <= dropped; }));
      CHECK(near([](double kept, double dropped) { return kept >= dropped; }));
    }
    for (const double wanted : {0.9, 0.99}) {
      const auto reaches = [&](const CurvePoint& point) { return recall(point) >= wanted; };
      CHECK(std::find_if(points.begin(), points.end(), reaches)->threshold ==
            std::find_if(thinned.begin(), thinned.end(), reaches)->threshold);
    }
  }
  const std::vector<CurvePoint> few{{2, 1, 0}, {1, 2, 5}};
  CHECK(thin_curve(few, 40).size() == 2);
}
