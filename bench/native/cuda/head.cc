// A training step of the last layer with its loss: time, memory, and the rate of its floating-point operations against
// that of cuBLAS at the same shape, which takes turns with it.
#include "head/linear_loss.h"

#include "backend/cuda/cuda_backend.h"
#include "error.h"
#include "loss/loss.h"
#include "measure.h"

namespace onelogit::bench {
namespace {

struct Shape {
  std::int64_t m, k, d;
};

// Operations a step, in units of m·k·d: head/linear_loss.h.
double operations(LossKind kind) {
  switch (kind) {
    case LossKind::max_margin:
    case LossKind::batch_max_margin:
      return 2;
    case LossKind::cross_entropy:
    case LossKind::self_normalization:
      return 8;
    default:
      return 6;
  }
}

std::size_t bytes_of(std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(rows * columns) * sizeof(float);
}

// Memory of a backend with a lifetime.
struct Memory {
  Memory(Backend& backend_, std::size_t bytes_) : backend(backend_), bytes(bytes_), data(backend_.allocate(bytes_)) {}
  ~Memory() { backend.release(data, bytes); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  template <class T = float>
  T* as() const {
    return static_cast<T*>(data);
  }
  Backend& backend;
  std::size_t bytes;
  void* data;
};

struct Inputs {
  Memory hidden, weight, bias, labels, gradient_hidden, value, correct;
  Inputs(Backend& backend, const Shape& s)
      : hidden(backend, bytes_of(s.m, s.d)),
        weight(backend, bytes_of(s.k, s.d)),
        bias(backend, bytes_of(s.k, 1)),
        labels(backend, bytes_of(s.m, 1)),
        gradient_hidden(backend, bytes_of(s.m, s.d)),
        value(backend, sizeof(double)),
        correct(backend, sizeof(std::int64_t)) {
    const auto h = normal_values(static_cast<std::size_t>(s.m * s.d), 1.0f, "hidden activations");
    backend.copy(hidden.data, h.data(), hidden.bytes);
    const auto w = normal_values(static_cast<std::size_t>(s.k * s.d), 0.02f, "the class matrix");
    backend.copy(weight.data, w.data(), weight.bytes);
    backend.zero(bias.data, bias.bytes);
    const auto y = random_labels(static_cast<std::size_t>(s.m), s.k);
    backend.copy(labels.data, y.data(), labels.bytes);
    wait();  // before the copies' sources go
  }
  void wait() {
    double host = 0;
    value.backend.download(&host, value.data, sizeof host);
  }
};

// With the update, by sgd without momentum.
void measure_training(Backend& backend, Inputs& in, const Shape& s, const LossSpec& loss,
                      const std::function<void(const std::function<void()>&)>& report) {
  LinearLossTrainingPlan plan;
  plan.loss = loss;
  plan.classes.value = in.weight.data;
  plan.classes.bias = in.bias.as();
  plan.classes.rows = s.k;
  plan.classes.columns = s.d;
  plan.max_examples = s.m;
  const auto training = backend.make_linear_loss_training(plan);
  LinearLossTraining::Batch batch;
  batch.hidden = in.hidden.as();
  batch.labels = in.labels.as<std::int32_t>();
  batch.m = s.m;
  batch.learning_rate = 1e-6f;
  batch.gradient_hidden = in.gradient_hidden.as();
  report([&] {
    training->run(batch, in.value.as<double>(), in.correct.as<std::int64_t>());
    training->update(nullptr);
    ++batch.step;
    in.wait();
  });
}

// cuBLAS at the shape of a block of logits; as many classes as a gigabyte has room for.
struct Reference {
  Reference(const Shape& s)
      : k(std::min(s.k, (std::int64_t{1} << 28) / s.m)),
        hidden(normal_bfloat16(static_cast<std::size_t>(s.m * s.d), "hidden activations")),
        weight(normal_bfloat16(static_cast<std::size_t>(k * s.d), "the class matrix")),
        logits(static_cast<std::size_t>(s.m * k), "logits"),
        products(nullptr, Precision::bfloat16),
        product{false,
                true,
                s.m,
                k,
                s.d,
                1.0f,
                hidden.data(),
                cuda::CublasType::bfloat16,
                s.d,
                weight.data(),
                cuda::CublasType::bfloat16,
                s.d,
                0.0f,
                logits.data(),
                k} {}
  void run() {
    products.multiply(product);
    cuda::check(cudaStreamSynchronize(nullptr), "a product");
  }
  std::int64_t k;
  cuda::DeviceBuffer<std::uint16_t> hidden, weight;
  cuda::DeviceBuffer<float> logits;
  cuda::Products products;
  cuda::Product product;
};

void measure(const Shape& s, const LossSpec& loss, Precision precision) {
  Reference reference(s);
  const std::size_t before = used_memory();
  const std::string name(loss_name(loss.kind));
  const auto describe = [&](Line& line) {
    line.text("loss", name)
        .text("precision", std::string(precision_name(precision)))
        .number("m", static_cast<double>(s.m))
        .number("k", static_cast<double>(s.k))
        .number("d", static_cast<double>(s.d));
  };
  try {
    CudaBackend backend(precision);
    Inputs inputs(backend, s);
    const auto report = [&](const std::function<void()>& step) {
      step();
      // All memory is there from the first step on: what is taken now is the most.
      const std::size_t bytes = used_memory() - before;
      const auto times = alternate_waiting({step, [&] { reference.run(); }}, 5, 0.2);
      const double unit = static_cast<double>(s.m) * static_cast<double>(s.d),
                   rate = operations(loss.kind) * unit * static_cast<double>(s.k) / times[0].median,
                   cublas = 2 * unit * static_cast<double>(reference.k) / times[1].median;
      Line line("head");
      describe(line);
      line.number("bytes", static_cast<double>(bytes))
          .seconds("seconds", times[0])
          .seconds("cublasSeconds", times[1])
          .number("operationsPerSecond", rate)
          .number("shareOfCublasBfloat16", rate / cublas);
    };
    measure_training(backend, inputs, s, loss, report);
  } catch (const Error& error) {
    Line line("head");
    describe(line);
    line.text("error", error.code() + ": " + error.what());
  }
}

}  // namespace

void head(bool large) {
  std::vector<Shape> shapes{{4096, 131'072, 4096}, {4096, 1'000'000, 512}};
  if (!large) shapes = {{1024, 131'072, 512}};
  for (const Shape& shape : shapes)
    for (const LossKind kind :
         {LossKind::cross_entropy, LossKind::max_margin, LossKind::self_normalization, LossKind::nce,
          LossKind::binary_cross_entropy, LossKind::batch_cross_entropy, LossKind::batch_max_margin}) {
      LossSpec loss;
      loss.kind = kind;
      for (const Precision precision : {Precision::bfloat16, Precision::tf32, Precision::float32})
        measure(shape, loss, precision);
    }
}

}  // namespace onelogit::bench
