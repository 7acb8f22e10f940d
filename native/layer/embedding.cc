// A row of a table for each integer: y = table[x]. Inputs are int32 in [0, vocabulary), in the memory that other layers
// have float32 in; each of them becomes `units` numbers. Few rows of the table have a gradient in a step, so the
// training pass runs this layer through EmbeddingTraining and not through backward().

#include "error.h"
#include "layer/layers.h"

namespace onelogit {
namespace {

class Embedding final : public Layer {
 public:
  Embedding(const LayerSpec& spec, const Shape& input_shape) : vocabulary_(spec.vocabulary), features_(spec.units) {
    input_shape_ = output_shape_ = input_shape;
    output_shape_.push_back(features_);
  }

  std::string_view type() const override { return "embedding"; }
  LayerMemory memory() const override { return {.backward_reads_input = true}; }  // EmbeddingTraining does

  // Variance 1/features: a row is about one long, whatever its length in numbers.
  std::vector<TensorSpec> tensor_specs() const override {
    TensorSpec table{"weight", {vocabulary_, features_}, true, Initializer::he_normal, 2 * features_, features_};
    table.by_rows = true;
    return {table};
  }

  void forward(const Pass& pass, const LayerTensors& tensors, const float* x, float* y, float*) const override {
    pass.backend.embedding_forward(reinterpret_cast<const std::int32_t*>(x), tensors.value[0], y,
                                   pass.examples * shape_size(input_shape_), features_);
  }

  void backward(const Pass&, const LayerTensors&, const float*, const float*, const float*, float*,
                const float*) const override {
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "Expected an embedding to be trained by rows");
  }

 private:
  std::int64_t vocabulary_, features_;
};

}  // namespace

std::unique_ptr<Layer> make_embedding(const LayerSpec& spec, const Shape& input_shape) {
  return std::make_unique<Embedding>(spec, input_shape);
}

}  // namespace onelogit
