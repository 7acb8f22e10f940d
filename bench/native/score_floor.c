// The least that one score can cost from JavaScript: raw Node-API, no check of anything, one pass over two rows. And what its parts cost:
// a call that does nothing, one that reads its arguments, dot products without calls. score/floor.mjs compiles it, for this processor.
#include <node_api.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

// 16 floats: one AVX-512 register, or as many narrower ones as the compiler needs.
typedef float Vector __attribute__((vector_size(64)));
typedef float Eight __attribute__((vector_size(32)));
typedef float Four __attribute__((vector_size(16)));
typedef float Unaligned __attribute__((vector_size(64), aligned(4), may_alias));

static const float *weight, *bias, *input; // k×d, k, d
static size_t d;

static inline float logit(const float* x, size_t c) {
  const float* w = weight + c * d;
  Vector s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
  size_t i = 0;
  for (; i + 64 <= d; i += 64) {
    s0 += *(const Unaligned*)(x + i) * *(const Unaligned*)(w + i);
    s1 += *(const Unaligned*)(x + i + 16) * *(const Unaligned*)(w + i + 16);
    s2 += *(const Unaligned*)(x + i + 32) * *(const Unaligned*)(w + i + 32);
    s3 += *(const Unaligned*)(x + i + 48) * *(const Unaligned*)(w + i + 48);
  }
  float sum = bias[c];
  for (; i < d; i++) sum += x[i] * w[i];
  const Vector v = (s0 + s1) + (s2 + s3);
  const Eight e = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const Four f = __builtin_shufflevector(e, e, 0, 1, 2, 3) + __builtin_shufflevector(e, e, 4, 5, 6, 7);
  return sum + ((f[0] + f[2]) + (f[1] + f[3]));
}

static napi_value number(napi_env env, double value) {
  napi_value result = NULL;
  napi_create_double(env, value, &result);
  return result;
}

static float* floats(napi_env env, napi_value array) {
  void* data = NULL;
  napi_get_typedarray_info(env, array, NULL, NULL, &data, NULL, NULL);
  return (float*)data;
}

// score(x, c)
static napi_value score(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  int32_t c = 0;
  napi_get_value_int32(env, arguments[1], &c);
  return number(env, logit(floats(env, arguments[0]), (size_t)c));
}

// scoreBound(c)
static napi_value score_bound(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  int32_t c = 0;
  napi_get_value_int32(env, argument, &c);
  return number(env, logit(input, (size_t)c));
}

// empty(): 1
static napi_value empty(napi_env env, napi_callback_info info) {
  (void)info;
  return number(env, 1);
}

// readId(c): c
static napi_value read_id(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  int32_t c = 0;
  napi_get_value_int32(env, argument, &c);
  return number(env, c);
}

// readBoth(x, c): x[0] + c
static napi_value read_both(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  int32_t c = 0;
  napi_get_value_int32(env, arguments[1], &c);
  return number(env, floats(env, arguments[0])[0] + (float)c);
}

// dots(ids): the sum of their logits for the bound input
static napi_value dots(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1, length = 0;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  void* ids = NULL;
  napi_get_typedarray_info(env, argument, NULL, &length, &ids, NULL, NULL);
  double sum = 0;
  for (size_t i = 0; i < length; i++) sum += logit(input, (size_t)((const int32_t*)ids)[i]);
  return number(env, sum);
}

// allocate(bytes, hugePages): an ArrayBuffer, never freed
static napi_value allocate(napi_env env, napi_callback_info info) {
  napi_value arguments[2], result = NULL;
  size_t count = 2;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  double bytes = 0;
  bool huge = false;
  napi_get_value_double(env, arguments[0], &bytes);
  napi_get_value_bool(env, arguments[1], &huge);
  const size_t page = (size_t)2 << 20, size = ((size_t)bytes + page - 1) / page * page;
  void* memory = aligned_alloc(page, size);
  if (memory == NULL) return NULL;
#if defined(__linux__)
  madvise(memory, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
  napi_create_external_arraybuffer(env, memory, (size_t)bytes, NULL, NULL, &result);
  return result;
}

// use(weight, bias, input): arrays that the caller keeps, and one that is copied to the start of a cache line
static napi_value use(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = 3;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  weight = floats(env, arguments[0]);
  bias = floats(env, arguments[1]);
  void* data = NULL;
  napi_get_typedarray_info(env, arguments[2], NULL, &d, &data, NULL, NULL);
  float* copy = aligned_alloc(64, (d * sizeof(float) + 63) / 64 * 64);
  if (copy == NULL) return NULL;
  input = memcpy(copy, data, d * sizeof(float));
  return NULL;
}

static napi_value initialize(napi_env env, napi_value exports) {
  const struct { const char* name; napi_callback callback; } functions[] = {
      {"score", score},       {"scoreBound", score_bound}, {"empty", empty}, {"readId", read_id},
      {"readBoth", read_both}, {"dots", dots},             {"use", use},     {"allocate", allocate}};
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].callback, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}

NAPI_MODULE(onelogit_score_floor, initialize)
