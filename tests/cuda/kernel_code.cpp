#include "tests/cuda/kernel_code.h"

#include <cxxabi.h>
#include <elf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace md::record {
namespace {

template <class T>
T read(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                    std::free);
  return status == 0 ? text.get() : name;
}

/// One instruction of 128 bits.
struct Sass {
  std::uint64_t low, high;

  enum Op : unsigned {
    bra = 0x947,
    call = 0x944,
    ldg = 0x981,
    ldg_turing = 0x381,
    stg = 0x986,
    stg_turing = 0x386,
    lds = 0x984,
    ldl = 0x983,
    stl = 0x387,
    ffma = 0x223,
    mufu = 0x308,
    hmma = 0x23c,
  };
  unsigned op() const { return low & 0xFFFU; }
  bool fma() const { return (op() & 0x1FFU) == (ffma & 0x1FFU); }  // whatever its operands are
  bool loads() const { return op() == ldg || op() == ldg_turing; }
  bool stores() const { return op() == stg || op() == stg_turing; }
  /// Of an access to memory.
  int bytes() const {
    static constexpr int kBytes[] = {1, 1, 2, 2, 4, 8, 16, 16};
    return kBytes[high >> 9U & 7U];
  }
  /// Of a branch, in bytes from the next instruction on.
  std::int64_t jump() const { return std::int32_t(low >> 32U); }
};

Instructions count(const std::vector<Sass>& code, std::size_t begin, std::size_t end) {
  Instructions n;
  for (std::size_t i = begin; i < end; ++i) {
    const Sass& s = code[i];
    ++n.all;
    constexpr i64 kOfStep = 16 * 8 * 8 / 32;  // multiplications a thread
    n.tensor += s.op() == Sass::hmma;
    n.fma += s.op() == Sass::hmma ? kOfStep : i64{s.fma()};
    n.calls += s.op() == Sass::call;
    n.roots += s.op() == Sass::mufu;
    if (s.loads()) ++n.loads, n.load_bytes += s.bytes();
    if (s.stores()) ++n.stores, n.store_bytes += s.bytes();
    if (s.op() == Sass::lds) ++n.shared_loads, n.shared_words += std::max(1, s.bytes() / 4);
  }
  return n;
}

/// From the first instruction to behind the last.
struct Loop {
  std::size_t begin, end;
  Instructions of;
};

std::vector<Loop> loops_of(const std::vector<Sass>& code) {
  std::vector<Loop> loops;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const std::int64_t target = std::int64_t(i) + 1 + code[i].jump() / 16;
    // A branch to itself is the endless loop behind the last instruction.
    if (code[i].op() != Sass::bra || target < 0 || target >= std::int64_t(i)) continue;
    loops.push_back({std::size_t(target), i + 1, count(code, std::size_t(target), i + 1)});
  }
  return loops;
}

/// The loop of most worth, of equals the shortest; all of the code where none is worth anything.
template <class Worth>
Loop best_loop(const std::vector<Sass>& code, const Worth& worth) {
  Loop best{0, code.size(), count(code, 0, code.size())};
  double most = 0;
  for (const Loop& loop : loops_of(code)) {
    const double its = worth(loop.of);
    if (its < most || its == 0 || (its == most && loop.of.all >= best.of.all)) continue;
    best = loop;
    most = its;
  }
  return best;
}

i64 loads_in_flight(const std::vector<Sass>& code, const Loop& loop) {
  i64 run = 0, longest = 1;
  for (std::size_t i = loop.begin; i < loop.end; ++i) {
    const Sass& s = code[i];
    if (s.loads()) longest = std::max(longest, ++run);
    if (s.stores() || s.op() == Sass::bra) run = 0;
  }
  return longest;
}

void read_code(const std::byte* text, std::size_t bytes, KernelCode& kernel) {
  std::vector<Sass> code(bytes / sizeof(Sass));
  std::memcpy(code.data(), text, code.size() * sizeof(Sass));
  kernel.whole = count(code, 0, code.size());
  const Loop hot = best_loop(code, [](const Instructions& n) { return double(n.load_bytes + n.store_bytes); });
  kernel.hot = hot.of;
  kernel.loads_in_flight = loads_in_flight(code, hot);
  constexpr i64 kSome = 4;
  const auto density = [](const Instructions& n) { return n.fma < kSome ? 0 : double(n.fma) / double(n.all); };
  const auto brevity = [](const Instructions& n) { return n.roots == 0 ? 0 : 1 / double(n.all); };
  kernel.product = best_loop(code, density).of;
  kernel.root = best_loop(code, brevity).of;
  for (const Sass& s : code) {
    if (s.loads() || s.stores()) kernel.widest = std::max(kernel.widest, s.bytes());
    kernel.spills += s.op() == Sass::ldl || s.op() == Sass::stl;
  }
}

/// A kernel's .nv.info: attributes of a format, a number and a size or a value.
void read_info(const std::byte* info, std::size_t bytes, KernelCode& kernel) {
  constexpr int kSized = 4, kParameter = 0x17;
  for (std::size_t at = 0; at + 4 <= bytes;) {
    const auto format = std::to_integer<int>(info[at]), attribute = std::to_integer<int>(info[at + 1]);
    const std::size_t size = format == kSized ? read<std::uint16_t>(info + at + 2) : 0;
    if (attribute == kParameter) {  // index, ordinal, offset, then the size from bit 18 on
      const auto ordinal = read<std::uint16_t>(info + at + 8);
      if (kernel.parameters.size() <= ordinal) kernel.parameters.resize(ordinal + std::size_t{1});
      kernel.parameters[ordinal] = {read<std::uint16_t>(info + at + 10),
                                    int(read<std::uint32_t>(info + at + 12) >> 18U)};
    }
    at += 4 + size;
  }
}

void read_elf(const std::byte* elf, std::map<std::string, KernelCode>& kernels) {
  const auto header = read<Elf64_Ehdr>(elf);
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), elf + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  const char* const names = reinterpret_cast<const char*>(elf) + sections.at(header.e_shstrndx).sh_offset;
  const auto kernel_behind = [&](const std::string& section, const std::string& prefix) -> KernelCode* {
    return section.starts_with(prefix) ? &kernels[section.substr(prefix.size())] : nullptr;
  };
  for (const Elf64_Shdr& s : sections) {
    const std::string name = names + s.sh_name;
    const std::byte* const begin = elf + s.sh_offset;
    if (KernelCode* const code = kernel_behind(name, ".text.")) {
      code->name = demangled(name.substr(6));
      code->registers = int(s.sh_info >> 24U);
      read_code(begin, s.sh_size, *code);
    } else if (KernelCode* const with_memory = kernel_behind(name, ".nv.shared.")) {
      with_memory->shared_bytes = int(s.sh_size);
    } else if (KernelCode* const with_info = kernel_behind(name, ".nv.info.")) {
      read_info(begin, s.sh_size, *with_info);
    }
  }
}

}  // namespace

std::map<std::string, KernelCode> kernels_of(const void* wrapper) {
  struct Wrapper {  // __fatBinC_Wrapper_t
    int magic, version;
    const std::byte* data;
  };
  struct Header {
    std::uint32_t magic;
    std::uint16_t version, bytes;
    std::uint64_t entries_bytes;
  };
  struct Entry {
    std::uint16_t kind, flags;
    std::uint32_t header_bytes;
    std::uint64_t bytes;
  };
  constexpr std::uint16_t kElf = 2;
  const std::byte* at = static_cast<const Wrapper*>(wrapper)->data;
  const auto header = read<Header>(at);
  MD_CHECK(header.magic == 0xBA55ED50U, "a fatbin of another format");
  at += header.bytes;
  std::map<std::string, KernelCode> kernels;
  for (const std::byte* const end = at + header.entries_bytes; at < end;) {
    const auto entry = read<Entry>(at);
    const std::byte* const elf = at + entry.header_bytes;
    if (entry.kind == kElf && std::memcmp(elf, ELFMAG, SELFMAG) == 0) {
      read_elf(elf, kernels);
      break;  // one architecture is enough
    }
    MD_CHECK(entry.kind != kElf, "code that is compressed: nvcc --no-compress");
    at = elf + entry.bytes;
  }
  return kernels;
}

}  // namespace md::record
