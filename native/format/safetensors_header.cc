#include "format/safetensors_header.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <numeric>

#include "error.h"
#include "format/dtype.h"
#include "format/utf8.h"

namespace onelogit {
namespace {

constexpr std::size_t most_dimensions = 64;  // numpy's limit

class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  SafetensorsHeader parse() {
    SafetensorsHeader header;
    bool metadata_seen = false;
    expect('{', "'{', the start of the header,");
    skip_space();
    if (!take('}')) {
      do {
        skip_space();
        const std::string name = string("the name of a tensor");
        colon();
        if (name == "__metadata__") {
          if (metadata_seen) fail_value("__metadata__ once", "it twice");
          metadata_seen = true;
          header.metadata = metadata();
        } else {
          header.tensors.push_back(tensor(name));
        }
        skip_space();
      } while (take(','));
      expect('}', "',' or '}' after a tensor");
    }
    skip_space();  // padding
    if (at_ != text_.size()) fail("nothing but spaces after the header's last '}'");
    return header;
  }

 private:
  [[noreturn]] void fail_value(const std::string& expected, const std::string& received) const {
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
                "Expected " + expected + " in the safetensors header of " + file_ + " (byte " + std::to_string(at_) +
                    ") but received " + received);
  }
  [[noreturn]] void fail(const std::string& expected) const {
    fail_value(expected, at_ < text_.size() ? quoted(text_.substr(at_, 1)) : "the end of the header");
  }

  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    if (!at(c)) return false;
    ++at_;
    return true;
  }
  void expect(char c, const std::string& expected) {
    if (!take(c)) fail(expected);
  }
  void skip_space() {
    while (at(' ') || at('\n') || at('\r') || at('\t')) ++at_;
  }
  void colon() {
    skip_space();
    expect(':', "':' after a name");
    skip_space();
  }

  std::map<std::string, std::string> metadata() {
    std::map<std::string, std::string> result;
    expect('{', "an object of strings for __metadata__");
    skip_space();
    if (take('}')) return result;
    do {
      skip_space();
      std::string name = string("a name in __metadata__");
      colon();
      std::string value = string("a string for __metadata__." + name);
      if (const auto [place, added] = result.emplace(std::move(name), std::move(value)); !added)
        fail_value("different names in __metadata__", quoted(place->first) + " twice");
      skip_space();
    } while (take(','));
    expect('}', "',' or '}' in __metadata__");
    return result;
  }

  TensorEntry tensor(const std::string& name) {
    TensorEntry entry;
    entry.name = name;
    bool dtype_seen = false, shape_seen = false, offsets_seen = false;
    const auto once = [&](bool& seen, const char* field) {
      if (seen) fail_value(std::string(field) + " once for tensor " + quoted(name), "it twice");
      seen = true;
    };
    expect('{', "an object for tensor " + quoted(name));
    skip_space();
    if (!at('}')) {
      do {
        skip_space();
        const std::string field = string("a field of tensor " + quoted(name));
        colon();
        if (field == "dtype") {
          once(dtype_seen, "dtype");
          entry.dtype = string("a string for the dtype of tensor " + quoted(name));
        } else if (field == "shape") {
          once(shape_seen, "shape");
          shape(entry);
        } else if (field == "data_offsets") {
          once(offsets_seen, "data_offsets");
          offsets(entry);
        } else {
          fail_value("dtype, shape and data_offsets for tensor " + quoted(name), quoted(field));
        }
        skip_space();
      } while (take(','));
    }
    expect('}', "',' or '}' in tensor " + quoted(name));
    if (!dtype_seen || !shape_seen || !offsets_seen)
      fail_value("dtype, shape and data_offsets for tensor " + quoted(name),
                 std::string("no ") + (!dtype_seen   ? "dtype"
                                       : !shape_seen ? "shape"
                                                     : "data_offsets"));
    return entry;
  }

  void shape(TensorEntry& entry) {
    expect('[', "an array for the shape of tensor " + quoted(entry.name));
    skip_space();
    if (take(']')) return;
    do {
      skip_space();
      if (entry.shape.size() == most_dimensions)
        fail_value("at most 64 dimensions for the shape of tensor " + quoted(entry.name), "more");
      entry.shape.push_back(static_cast<std::int64_t>(
          integer("the shape of tensor " + quoted(entry.name), std::numeric_limits<std::int64_t>::max())));
      skip_space();
    } while (take(','));
    expect(']', "',' or ']' in the shape of tensor " + quoted(entry.name));
  }

  void offsets(TensorEntry& entry) {
    const std::string what = "data_offsets of tensor " + quoted(entry.name);
    expect('[', "an array of two integers for " + what);
    skip_space();
    entry.begin = integer(what, std::numeric_limits<std::uint64_t>::max());
    skip_space();
    expect(',', "',' between the two integers of " + what);
    skip_space();
    entry.end = integer(what, std::numeric_limits<std::uint64_t>::max());
    skip_space();
    expect(']', "']' after the two integers of " + what);
  }

  std::uint64_t integer(const std::string& what, std::uint64_t most) {
    const auto digit = [&] { return at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; };
    if (!digit()) fail("an integer of at least 0 for " + what);
    const std::size_t start = at_;
    std::uint64_t value = 0;
    while (digit()) {
      const auto next = static_cast<std::uint64_t>(text_[at_] - '0');
      if (value > (most - next) / 10)
        fail_value("an integer of at most " + std::to_string(most) + " for " + what, "a larger one");
      value = value * 10 + next;
      ++at_;
    }
    if (text_[start] == '0' && at_ - start > 1)
      fail_value("an integer without leading zeros for " + what, quoted(text_.substr(start, at_ - start)));
    if (at('.') || at('e') || at('E')) fail("an integer, not a fraction, for " + what);
    return value;
  }

  std::string string(const std::string& what) {
    expect('"', what + " (a string)");
    std::string value;
    for (;;) {
      const std::size_t start = at_;
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
             static_cast<unsigned char>(text_[at_]) >= 0x20)
        ++at_;
      value += text_.substr(start, at_ - start);
      if (take('"')) break;
      if (!take('\\')) fail("a string that ends, without control characters, for " + what);
      escape(value, what);
    }
    // Escapes give whole sequences, so the result is UTF-8 exactly if the bytes between them are.
    if (!is_utf8(value)) fail_value("UTF-8 for " + what, quoted(value));
    return value;
  }

  void escape(std::string& value, const std::string& what) {
    if (at_ == text_.size()) fail("an escape for " + what);
    const char c = text_[at_++];
    switch (c) {
      case '"':
      case '\\':
      case '/':
        value.push_back(c);
        return;
      case 'b':
        value.push_back('\b');
        return;
      case 'f':
        value.push_back('\f');
        return;
      case 'n':
        value.push_back('\n');
        return;
      case 'r':
        value.push_back('\r');
        return;
      case 't':
        value.push_back('\t');
        return;
      case 'u':
        break;
      default:
        fail_value("an escape of JSON for " + what, quoted(std::string("\\") + c));
    }
    std::uint32_t code_point = hexadecimal(what);
    if (code_point >= 0xD800 && code_point < 0xDC00) {
      if (!take('\\') || !take('u')) fail("the second half of a surrogate pair for " + what);
      const std::uint32_t low = hexadecimal(what);
      if (low < 0xDC00 || low > 0xDFFF) fail_value("the second half of a surrogate pair for " + what, "another escape");
      code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
    } else if (code_point >= 0xDC00 && code_point < 0xE000) {
      fail_value("the first half of a surrogate pair for " + what, "its second half alone");
    }
    append_utf8(value, code_point);
  }

  std::uint32_t hexadecimal(const std::string& what) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      if (c >= '0' && c <= '9')
        value = value * 16 + static_cast<std::uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f')
        value = value * 16 + static_cast<std::uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F')
        value = value * 16 + static_cast<std::uint32_t>(c - 'A' + 10);
      else
        fail("four hexadecimal digits in an escape for " + what);
    }
    return value;
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
};

std::string range_text(const TensorEntry& tensor) {
  return "[" + std::to_string(tensor.begin) + ", " + std::to_string(tensor.end) + ")";
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& file) {
  return HeaderParser(json, file).parse();
}

bool tensor_bytes(const std::vector<std::int64_t>& shape, int bits_per_element, std::uint64_t& bytes) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  bytes = 0;
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return true;
  std::uint64_t bits = static_cast<std::uint64_t>(bits_per_element);
  for (const std::int64_t length : shape) {
    if (length < 0 || bits > most / static_cast<std::uint64_t>(length)) return false;
    bits *= static_cast<std::uint64_t>(length);
  }
  if (bits % 8 != 0) return false;
  bytes = bits / 8;
  return true;
}

void check_safetensors_tensors(std::vector<TensorEntry>& tensors, std::uint64_t data_bytes, const std::string& file) {
  const auto fail = [&](const std::string& expected, const std::string& received) {
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
                "Expected " + expected + " in " + file + " but received " + received);
  };
  std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end != b.end ? a.end < b.end : a.name < b.name;
  });
  std::uint64_t next = 0;
  for (const TensorEntry& tensor : tensors) {
    const int bits = dtype_bits(tensor.dtype);
    if (bits == 0) fail("a dtype of the safetensors format for tensor " + quoted(tensor.name), quoted(tensor.dtype));
    std::uint64_t bytes = 0;
    if (!tensor_bytes(tensor.shape, bits, bytes))
      fail("a shape whose size in bytes is a whole number below 2^60 for tensor " + quoted(tensor.name),
           "a larger one");
    if (tensor.begin > tensor.end || tensor.end > data_bytes)
      fail("data_offsets within the " + std::to_string(data_bytes) + " bytes of data for tensor " + quoted(tensor.name),
           range_text(tensor));
    if (tensor.end - tensor.begin != bytes)
      fail(std::to_string(bytes) + " bytes (shape × dtype) for tensor " + quoted(tensor.name),
           std::to_string(tensor.end - tensor.begin) + ", data_offsets " + range_text(tensor));
    if (tensor.begin != next)
      fail("tensor " + quoted(tensor.name) + " to start at byte " + std::to_string(next) +
               " of the data, where the one before it ends,",
           "data_offsets " + range_text(tensor) + (tensor.begin < next ? ", an overlap" : ", a hole"));
    next = tensor.end;
  }
  if (next != data_bytes)
    fail("tensors that cover the " + std::to_string(data_bytes) + " bytes of data",
         "an end at byte " + std::to_string(next));
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return tensors[a].name < tensors[b].name; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (tensors[order[i - 1]].name == tensors[order[i]].name)
      fail("different names of tensors", quoted(tensors[order[i]].name) + " twice");
}

std::string safetensors_header_json(const std::map<std::string, std::string>& metadata,
                                    const std::vector<TensorEntry>& tensors) {
  std::string json = "{";
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    bool first = true;
    for (const auto& [name, value] : metadata) {
      if (!first) json.push_back(',');
      first = false;
      append_json_string(json, name);
      json.push_back(':');
      append_json_string(json, value);
    }
    json.push_back('}');
  }
  for (const TensorEntry& tensor : tensors) {
    if (json.size() > 1) json.push_back(',');
    append_json_string(json, tensor.name);
    json += ":{\"dtype\":";
    append_json_string(json, tensor.dtype);
    json += ",\"shape\":[";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) json += (i ? "," : "") + std::to_string(tensor.shape[i]);
    json += "],\"data_offsets\":[" + std::to_string(tensor.begin) + "," + std::to_string(tensor.end) + "]}";
  }
  json.push_back('}');
  return json;
}

}  // namespace onelogit
