// Thresholds against a plain float64 reading of the rules in head/calibration.h, and what they promise on new data.

#include "head/calibration.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "error.h"

namespace onelogit {
namespace {

struct Data {
  ClassMatrix matrix;
  std::vector<float> features;
  std::vector<std::int32_t> labels;
  AlsoCorrect also_correct{};
  std::int64_t n() const { return static_cast<std::int64_t>(labels.size()); }
  float logit(std::int64_t i, std::int64_t c) const { return matrix.score(features.data() + i * matrix.features(), c); }
};

// Classes of very different sizes, some empty; features lean towards the row of their class.
Data make_data(std::int64_t n, std::int64_t k, std::int64_t d, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Data data{ClassMatrix(k, d, true), {}, {}};
  std::vector<float> rows(static_cast<std::size_t>(k * d));
  for (std::int64_t c = 0; c < k; ++c) {
    for (std::int64_t j = 0; j < d; ++j) rows[static_cast<std::size_t>(c * d + j)] = normal(random);
    data.matrix.mutable_bias()[c] = normal(random);
  }
  data.matrix.set_rows(0, k, rows.data());
  std::vector<double> share(static_cast<std::size_t>(k));
  for (std::int64_t c = 0; c < k; ++c)
    share[static_cast<std::size_t>(c)] = c % 7 == 6 ? 0.0 : std::pow(0.6, static_cast<double>(c % 7));
  std::discrete_distribution<std::int32_t> label(share.begin(), share.end());
  for (std::int64_t i = 0; i < n; ++i) {
    data.labels.push_back(label(random));
    for (std::int64_t j = 0; j < d; ++j)
      data.features.push_back(normal(random) + 0.4f * rows[static_cast<std::size_t>(data.labels.back() * d + j)]);
  }
  return data;
}

// Every fifth pair of an example and a wrong class is right, too.
void make_some_also_correct(Data& data) {
  data.also_correct.first.push_back(0);
  for (std::int64_t i = 0; i < data.n(); ++i) {
    for (std::int32_t c = 0; c < data.matrix.classes(); ++c)
      if ((i + c) % 5 == 0 && c != data.labels[static_cast<std::size_t>(i)]) data.also_correct.classes.push_back(c);
    data.also_correct.first.push_back(static_cast<std::int32_t>(data.also_correct.classes.size()));
  }
}

// The least that a logit may be computed as, by head/lowest_logit.h.
double lowest(const Data& data, std::int64_t i, std::int64_t c, double feature_error = 0) {
  const std::int64_t d = data.matrix.features();
  std::vector<float> row(static_cast<std::size_t>(d));
  data.matrix.read_rows(c, 1, row.data());
  double logit = data.matrix.bias(c), magnitude = std::abs(logit);
  for (std::int64_t j = 0; j < d; ++j) {
    const double product = static_cast<double>(row[static_cast<std::size_t>(j)]) *
                           static_cast<double>(data.features[static_cast<std::size_t>(i * d + j)]);
    logit += product;
    magnitude += std::abs(product);
  }
  const double roundings = static_cast<double>(d / 16) + 19, unit = std::ldexp(1.0, -24);
  return logit - (roundings * unit / (1 - roundings * unit) + feature_error) * magnitude;
}

// Counts over all examples, one by one.
struct Counts {
  double true_positives = 0, false_positives = 0, positives = 0;
};
Counts counts_of(const Data& data, std::int64_t c, double threshold) {
  Counts counts;
  for (std::int64_t i = 0; i < data.n(); ++i) {
    const bool own = data.labels[static_cast<std::size_t>(i)] == c,
               matched = static_cast<double>(data.logit(i, c)) >= threshold;
    counts.positives += own;
    counts.true_positives += own && matched;
    const auto right = data.also_correct.of(i);
    counts.false_positives += !own && matched && std::find(right.begin(), right.end(), c) == right.end();
  }
  return counts;
}
Counts pooled_counts(const Data& data, double threshold) {
  Counts total;
  for (std::int64_t c = 0; c < data.matrix.classes(); ++c) {
    const Counts counts = counts_of(data, c, threshold);
    total.true_positives += counts.true_positives;
    total.false_positives += counts.false_positives;
    total.positives += counts.positives;
  }
  return total;
}
std::vector<double> true_logits(const Data& data, std::int64_t c) {
  std::vector<double> logits;
  for (std::int64_t i = 0; i < data.n(); ++i)
    if (c < 0 || data.labels[static_cast<std::size_t>(i)] == c)
      logits.push_back(lowest(data, i, data.labels[static_cast<std::size_t>(i)]));
  std::sort(logits.begin(), logits.end(), std::greater<>());
  return logits;
}

double expected_recall_threshold(const Data& data, std::int64_t c, double recall, double needed) {
  const std::vector<double> own = true_logits(data, c);
  const auto n = static_cast<double>(own.size());
  if (n >= needed) return own[static_cast<std::size_t>(std::ceil(recall * (n + 1) - 1e-9)) - 1];
  // The highest of all logits that could be a threshold with the wanted rate.
  for (const double t : true_logits(data, -1)) {
    const double pool = pooled_counts(data, t).true_positives / static_cast<double>(data.n());
    if ((counts_of(data, c, t).true_positives + (needed - n) * pool) / needed >= recall - 1e-9) return t;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

template <class Rate>
double lowest_reaching(std::vector<double> thresholds, double wanted, Rate rate) {
  std::sort(thresholds.begin(), thresholds.end());
  double best = thresholds.front(), best_rate = -1;
  for (const double t : thresholds) {
    if (rate(t) >= wanted - 1e-9) return t;
    if (rate(t) > best_rate + 1e-12) {
      best_rate = rate(t);
      best = t;
    }
  }
  return best;
}

double expected_precision_threshold(const Data& data, std::int64_t c, double precision, double needed) {
  std::vector<double> own = true_logits(data, c), pool = true_logits(data, -1);
  const auto n = static_cast<double>(own.size());
  const auto corrected = [](const Counts& x) { return x.true_positives / (x.true_positives + x.false_positives + 1); };
  if (n >= needed) return lowest_reaching(own, precision, [&](double t) { return corrected(counts_of(data, c, t)); });
  const double pooled = lowest_reaching(pool, precision, [&](double t) { return corrected(pooled_counts(data, t)); });
  own.push_back(pooled);
  return lowest_reaching(own, precision, [&](double t) {
    const Counts mine = counts_of(data, c, t), all = pooled_counts(data, t);
    const double prior = all.true_positives / (all.true_positives + all.false_positives);
    return (mine.true_positives + (needed - n) * prior) / (mine.true_positives + mine.false_positives + needed - n);
  });
}

TEST_CASE("calibration: the number of positives a class needs") {
  CHECK(calibration_positives_needed(0.9) == 9);
  CHECK(calibration_positives_needed(0.99) == 99);
  CHECK(calibration_positives_needed(0.5) == 1);
  CHECK(calibration_positives_needed(0.1) == 1);
  CHECK(calibration_positives_needed(0.75) == 3);
}

TEST_CASE("calibration: recall thresholds follow the rules") {
  for (const std::uint32_t seed : {1u, 2u, 3u})
    for (const double recall : {0.5, 0.75, 0.9, 0.97}) {
      CAPTURE(recall);
      const Data data = make_data(seed == 3 ? 40 : 260, 16, 20, seed);
      const double needed = static_cast<double>(calibration_positives_needed(recall));
      const Calibration result =
          calibrate(data.matrix, data.features.data(), data.labels, {CalibrationMeasure::recall, recall}, nullptr);
      REQUIRE(result.thresholds.size() == 16);
      std::int64_t meeting = 0, fallback = 0, without = 0;
      for (std::int64_t c = 0; c < 16; ++c) {
        CAPTURE(c);
        const double expected = expected_recall_threshold(data, c, recall, needed);
        const double threshold = result.thresholds[static_cast<std::size_t>(c)];
        CHECK(threshold == doctest::Approx(expected).epsilon(1e-6));
        const Counts counts = counts_of(data, c, threshold);
        meeting += counts.positives > 0 && counts.true_positives >= recall * counts.positives - 1e-9;
        fallback += counts.positives < needed;
        without += counts.positives == 0;
        if (counts.positives >= needed) CHECK(counts.true_positives >= recall * counts.positives - 1e-9);
      }
      CHECK(result.meeting_target == meeting);
      CHECK(result.with_fallback == fallback);
      CHECK(result.without_positives == without);
      CHECK(without > 0);
    }
}

TEST_CASE("calibration: precision thresholds follow the rules") {
  for (const std::uint32_t seed : {1u, 2u, 3u})
    for (const double precision : {0.3, 0.5, 0.9}) {
      CAPTURE(precision);
      Data data = make_data(seed == 3 ? 40 : 300, 14, 12, seed);
      if (seed != 1) make_some_also_correct(data);
      const double needed = static_cast<double>(calibration_positives_needed(precision));
      const Calibration result = calibrate(data.matrix, data.features.data(), data.labels,
                                           {CalibrationMeasure::precision, precision}, nullptr, data.also_correct);
      std::int64_t meeting = 0, fallback = 0;
      for (std::int64_t c = 0; c < 14; ++c) {
        CAPTURE(c);
        const double threshold = result.thresholds[static_cast<std::size_t>(c)];
        CHECK(threshold == doctest::Approx(expected_precision_threshold(data, c, precision, needed)).epsilon(1e-6));
        const Counts counts = counts_of(data, c, threshold);
        meeting += counts.true_positives > 0 &&
                   counts.true_positives >= precision * (counts.true_positives + counts.false_positives) - 1e-9;
        fallback += counts.positives < needed;
      }
      CHECK(result.meeting_target == meeting);
      CHECK(result.with_fallback == fallback);
    }
}

TEST_CASE("calibration: any recall above 0 wants one of the logits") {
  const Data data = make_data(260, 16, 20, 1);
  const auto thresholds_for = [&](double recall) {
    return calibrate(data.matrix, data.features.data(), data.labels, {CalibrationMeasure::recall, recall}, nullptr)
        .thresholds;
  };
  for (const double recall : {1e-10, 1e-300, std::numeric_limits<double>::denorm_min()})
    CHECK(thresholds_for(recall) == thresholds_for(1e-6));
  for (const float threshold : thresholds_for(1e-10)) CHECK(std::isfinite(threshold));
}

TEST_CASE("calibration: classes beyond one block, and more pooled logits than cuts") {
  Data data = make_data(9000, 2100, 4, 8);
  make_some_also_correct(data);
  const Calibration result = calibrate(data.matrix, data.features.data(), data.labels,
                                       {CalibrationMeasure::precision, 0.6}, nullptr, data.also_correct);
  // A few classes in full, on either side of the block's end.
  for (const std::int64_t c : {0, 700, 1022, 1023, 1024, 2058}) {
    CAPTURE(c);
    const Counts counts = counts_of(data, c, result.thresholds[static_cast<std::size_t>(c)]);
    if (counts.positives < 2) continue;
    std::vector<double> own = true_logits(data, c);
    const double expected = lowest_reaching(own, 0.6, [&](double t) {
      const Counts x = counts_of(data, c, t);
      return x.true_positives / (x.true_positives + x.false_positives + 1);
    });
    CHECK(result.thresholds[static_cast<std::size_t>(c)] == doctest::Approx(expected).epsilon(1e-6));
  }
}

// One feature, and weight 1 for every class: the logit is the feature.
Data logits_only(std::int64_t k) {
  Data data{ClassMatrix(k, 1, false), {}, {}};
  const std::vector<float> ones(static_cast<std::size_t>(k), 1.0f);
  data.matrix.set_rows(0, k, ones.data());
  return data;
}

TEST_CASE("calibration: recall holds on new data, and few positives are better off with the pool") {
  // True logits of class c are normal around its own centre; what a threshold gives on new data is then known exactly.
  std::mt19937 random(11);
  std::normal_distribution<double> normal;
  const auto recall_at = [](double threshold, double centre) {
    return 0.5 * std::erfc((threshold - centre) / std::sqrt(2.0));
  };
  const std::int64_t k = 1500;
  for (const std::int64_t positives : {3, 9, 30}) {
    CAPTURE(positives);
    Data data = logits_only(k);
    std::vector<double> centres;
    for (std::int64_t c = 0; c < k; ++c) {
      centres.push_back(5 + 0.7 * normal(random));
      for (std::int64_t i = 0; i < positives; ++i) {
        data.labels.push_back(static_cast<std::int32_t>(c));
        data.features.push_back(static_cast<float>(centres.back() + normal(random)));
      }
    }
    const Calibration result =
        calibrate(data.matrix, data.features.data(), data.labels, {CalibrationMeasure::recall, 0.9}, nullptr);
    double mean = 0, plug_in_mean = 0, error = 0, plug_in_error = 0;
    for (std::int64_t c = 0; c < k; ++c) {
      const double recall =
          recall_at(result.thresholds[static_cast<std::size_t>(c)], centres[static_cast<std::size_t>(c)]);
      // The ⌈0.9 n⌉-th largest, without correction or pool.
      std::vector<float> own(data.features.begin() + c * positives, data.features.begin() + (c + 1) * positives);
      std::sort(own.begin(), own.end(), std::greater<>());
      const double plug_in =
          recall_at(own[static_cast<std::size_t>(std::ceil(0.9 * static_cast<double>(positives) - 1e-9)) - 1],
                    centres[static_cast<std::size_t>(c)]);
      mean += recall / static_cast<double>(k);
      plug_in_mean += plug_in / static_cast<double>(k);
      error += (recall - 0.9) * (recall - 0.9);
      plug_in_error += (plug_in - 0.9) * (plug_in - 0.9);
    }
    if (positives == 3) {
      CHECK(result.with_fallback == k);
      CHECK(mean > 0.85);
      CHECK(error < 0.6 * plug_in_error);
    } else {
      CHECK(result.with_fallback == 0);
      CHECK(mean > 0.893);  // 0.9 and its standard error over the classes
      if (positives == 30) CHECK(plug_in_mean < 0.885);
    }
  }
}

TEST_CASE("calibration: what cannot be calibrated") {
  Data data = logits_only(3);
  const auto code = [&](CalibrationMeasure measure) {
    try {
      calibrate(data.matrix, data.features.data(), data.labels, {measure, 0.9}, nullptr, data.also_correct);
    } catch (const Error& error) {
      return error.code();
    }
    return std::string();
  };
  CHECK(code(CalibrationMeasure::recall) == "ERR_ONELOGIT_NO_POSITIVES");
  data.labels = {1};
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    data.features = {value};
    CHECK(code(CalibrationMeasure::recall) == "ERR_ONELOGIT_NOT_FINITE");
    CHECK(code(CalibrationMeasure::precision) == "ERR_ONELOGIT_NOT_FINITE");
  }
  // A false logit that is NaN while the true one is not.
  data.features = {1};
  const float nan = std::numeric_limits<float>::quiet_NaN(), one = 1;
  data.matrix.set_rows(2, 1, &nan);
  CHECK(code(CalibrationMeasure::recall) == "");
  CHECK(code(CalibrationMeasure::precision) == "ERR_ONELOGIT_NOT_FINITE");
  data.matrix.set_rows(2, 1, &one);
  CHECK(code(CalibrationMeasure::precision) == "");
  data.also_correct = {{0, 1}, {1}};  // its label
  CHECK(code(CalibrationMeasure::precision) == "ERR_ONELOGIT_ALSO_CORRECT");
  const std::atomic<bool> cancelled{true};
  CHECK(calibrate(data.matrix, data.features.data(), data.labels, {CalibrationMeasure::precision, 0.9}, &cancelled)
            .thresholds.empty());
}

TEST_CASE("thresholds on other examples: counts, rates and classes that reach a value, one by one") {
  const Data chosen = make_data(900, 21, 6, 3);
  Data held = make_data(700, 21, 6, 3);
  // The same classes, other examples.
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  for (float& feature : held.features) feature += 0.3f * normal(random);
  make_some_also_correct(held);
  for (const CalibrationTarget target :
       {CalibrationTarget{CalibrationMeasure::recall, 0.8}, CalibrationTarget{CalibrationMeasure::precision, 0.6}}) {
    const std::vector<float> thresholds =
        calibrate(chosen.matrix, chosen.features.data(), chosen.labels, target, nullptr).thresholds;
    const auto report = evaluate_thresholds(held.matrix, held.features.data(), held.labels, thresholds, target, nullptr,
                                            held.also_correct);
    REQUIRE(report);
    ThresholdReport expected;
    for (std::int64_t c = 0; c < 21; ++c) {
      const Counts counts = counts_of(held, c, static_cast<double>(thresholds[static_cast<std::size_t>(c)]));
      expected.true_positives += static_cast<std::int64_t>(counts.true_positives);
      expected.false_positives += static_cast<std::int64_t>(counts.false_positives);
      if (counts.positives == 0) continue;
      ++expected.with_positives;
      const double matched = counts.true_positives + counts.false_positives;
      const double recall = counts.true_positives / counts.positives,
                   precision = matched > 0 ? counts.true_positives / matched : 0;
      expected.mean_recall += recall;
      expected.mean_precision += precision;
      expected.meeting_target += (target.measure == CalibrationMeasure::recall ? recall : precision) >= target.value;
    }
    CHECK(report->with_positives == expected.with_positives);
    CHECK(report->meeting_target == expected.meeting_target);
    CHECK(report->meeting_target > 0);
    CHECK(report->meeting_target < report->with_positives);
    CHECK(report->true_positives == expected.true_positives);
    CHECK(report->false_positives == expected.false_positives);
    const auto classes = static_cast<double>(expected.with_positives);
    CHECK(report->mean_recall == doctest::Approx(expected.mean_recall / classes));
    CHECK(report->mean_precision == doctest::Approx(expected.mean_precision / classes));
    const auto without = evaluate_thresholds(held.matrix, held.features.data(), held.labels, thresholds, {}, nullptr);
    CHECK(without->meeting_target == 0);
  }
  const std::atomic<bool> stop{true};
  const std::vector<float> zeros(21);
  CHECK_FALSE(evaluate_thresholds(held.matrix, held.features.data(), held.labels, zeros, {}, &stop));
  CHECK_THROWS_AS(evaluate_thresholds(held.matrix, held.features.data(), {}, zeros, {}, nullptr), Error);
}

}  // namespace
}  // namespace onelogit
