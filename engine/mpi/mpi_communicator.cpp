// The communicator of MPI (version 3). Nothing here waits inside MPI: requests are begun, then asked about until they
// are done, until another rank tells of an error, or until the time is up. So two threads share MPI under one mutex
// (MPI_THREAD_SERIALIZED): the caller's, and one that makes the sums while the caller computes.
//   A sum is an all-to-all that brings each rank its piece of everybody's numbers, the addition of the pieces in the
//   order of the ranks, and an all-gather of what came out: MPI moves and adds nothing, and as many bytes are on their
//   way as in a ring, 2 (N - 1) / N of the numbers in and out of each rank.
#include <mpi.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>

#include "engine/comm.h"

namespace md {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void check(int status, const char* what) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(status, text, &length);
  fail(ErrorKind::contract, what, ": ", std::string(text, std::size_t(length)));
}

int count_of(std::size_t n) {
  MD_CHECK(n <= std::size_t(std::numeric_limits<int>::max()), "MPI: ", n, " elements in one message");
  return int(n);
}

/// Requests under way, and the memory that they read and write.
struct Transfer {
  std::vector<MPI_Request> requests;
  std::vector<Tensor> tensors;
  std::string text;

  MPI_Request* another() { return &requests.emplace_back(MPI_REQUEST_NULL); }
};

/// A communicator of MPI's own, whose messages meet no others.
class Channel {
 public:
  Channel() {
    check(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
    check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  }
  operator MPI_Comm() const { return comm_; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

/// MPI_Init and MPI_Finalize.
class Library {
 public:
  Library() {
    int level = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level), "MPI_Init_thread");
    MD_CHECK(level >= MPI_THREAD_SERIALIZED, "this MPI lets no second thread call it");
  }
  ~Library() {
    if (!failed) MPI_Finalize();  // which waits for all requests
  }
  bool failed = false;
};

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(double limit_s) : limit_s_(limit_s) {
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
    MPI_Comm here = MPI_COMM_NULL;
    check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &here), "MPI_Comm_split");
    check(MPI_Comm_rank(here, &rank_on_host_), "MPI_Comm_rank");
    char name[MPI_MAX_PROCESSOR_NAME];
    int length = 0;
    check(MPI_Get_processor_name(name, &length), "MPI_Get_processor_name");
    host_.assign(name, std::size_t(length));
    summing_ = std::thread([this] { run_sums(); });
  }
  ~MpiCommunicator() override {
    {
      const std::lock_guard lock(sums_mutex_);
      ending_ = true;
    }
    sums_changed_.notify_all();
    summing_.join();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int rank_on_host() const override { return rank_on_host_; }
  std::string host() const override { return host_; }

  std::vector<std::string> gather(const std::string& mine) override {
    std::vector<int> lengths(std::size_t(size_), 0), places;
    auto of_lengths = std::make_unique<Transfer>();
    of_lengths->text.resize(sizeof(int) * (lengths.size() + 1));
    int* const all_lengths = reinterpret_cast<int*>(of_lengths->text.data());
    all_lengths[size_] = count_of(mine.size());
    begin([&] {
      return MPI_Iallgather(all_lengths + size_, 1, MPI_INT, all_lengths, 1, MPI_INT, calls_, of_lengths->another());
    });
    lengths.assign(all_lengths, all_lengths + wait(of_lengths, "gathering lengths"));
    int total = 0;
    for (const int length : lengths) {
      places.push_back(total);
      total += length;
    }
    auto texts = std::make_unique<Transfer>();
    texts->text = mine + std::string(std::size_t(total), ' ');
    char* const all = texts->text.data() + mine.size();
    begin([&] {
      return MPI_Iallgatherv(texts->text.data(), int(mine.size()), MPI_CHAR, all, lengths.data(), places.data(),
                             MPI_CHAR, calls_, texts->another());
    });
    return split(texts, mine.size(), lengths);
  }

  void gather(const Tensor& mine, const Tensor& all) override {
    auto transfer = std::make_unique<Transfer>();
    const Tensor from = mine.to(Device{}), to = on_host(all);
    transfer->tensors = {from, to};
    begin([&] {
      return MPI_Iallgather(from.raw(), count_of(from.bytes()), MPI_BYTE, to.raw(), count_of(from.bytes()), MPI_BYTE,
                            calls_, transfer->another());
    });
    wait(transfer, "gathering numbers");
    bring_back(to, all);
  }

  void exchange(const std::vector<Message>& sent, const std::vector<Message>& received) override {
    auto transfer = std::make_unique<Transfer>();
    std::vector<Tensor> to;
    for (const Message& message : received) {
      to.push_back(on_host(message.data));
      transfer->tensors.push_back(to.back());
      begin([&] {
        return MPI_Irecv(to.back().raw(), count_of(to.back().bytes()), MPI_BYTE, message.rank, 0, calls_,
                         transfer->another());
      });
    }
    for (const Message& message : sent) {
      const Tensor from = message.data.to(Device{});
      transfer->tensors.push_back(from);
      begin([&] {
        return MPI_Isend(from.raw(), count_of(from.bytes()), MPI_BYTE, message.rank, 0, calls_, transfer->another());
      });
    }
    wait(transfer, "exchanging maps");
    for (std::size_t i = 0; i < to.size(); ++i) bring_back(to[i], received[i].data);
  }

  void begin_sum(const Tensor& numbers) override {
    MD_CHECK(numbers.numel() % sum_unit() == 0, "begin_sum: ", numbers.shape(), " is no multiple of ", sum_unit());
    {
      const std::lock_guard lock(sums_mutex_);
      to_sum_.push_back({numbers, Clock::now()});
      ++unfinished_;
    }
    sums_changed_.notify_all();
  }

  void finish_sums() override {
    const auto begin = Clock::now();
    std::unique_lock lock(sums_mutex_);
    sums_changed_.wait(lock, [this] { return unfinished_ == 0 || sum_error_; });
    times_.waited_s += seconds_since(begin);
    if (sum_error_) std::rethrow_exception(sum_error_);
  }

  SumTimes sum_times() const override {
    const std::lock_guard lock(sums_mutex_);
    return times_;
  }

  void throw_if_another_failed() override {
    const std::lock_guard lock(mpi_mutex_);
    int there = 0;
    MPI_Status status;
    if (!heard_) check(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, errors_, &there, &status), "MPI_Iprobe");
    if (there != 0) {
      int length = 0;
      check(MPI_Get_count(&status, MPI_CHAR, &length), "MPI_Get_count");
      std::string text(std::size_t(length), ' ');
      check(MPI_Recv(text.data(), length, MPI_CHAR, status.MPI_SOURCE, status.MPI_TAG, errors_, MPI_STATUS_IGNORE),
            "MPI_Recv");
      heard_.emplace(ErrorKind(status.MPI_TAG), text);
    }
    if (heard_) throw ErrorElsewhere(heard_->kind(), heard_->what());
  }

  void tell_others(const Error& error) override {
    library_.failed = true;
    const std::string what = error.what();
    auto transfer = std::make_unique<Transfer>();
    transfer->text = what;
    for (int to = 0; to < size_; ++to) {
      if (to == rank_) continue;
      begin([&] {
        return MPI_Isend(transfer->text.data(), count_of(what.size()), MPI_CHAR, to, int(error.kind()), errors_,
                         transfer->another());
      });
    }
    const auto began = Clock::now();
    while (!done(*transfer) && seconds_since(began) < kTellingLimitS) rest(kManyTries);
    static_cast<void>(transfer.release());  // somebody may not have read it yet
  }

  [[noreturn]] void abort(int exit_code) override {
    const std::lock_guard lock(mpi_mutex_);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  static constexpr double kTellingLimitS = 2;
  static constexpr int kManyTries = 1000;

  struct Sum {
    Tensor numbers;
    Clock::time_point begun;
  };

  static Tensor on_host(const Tensor& t) {
    return t.device().kind == Device::cpu ? t : Tensor::empty(t.shape(), {}, t.dtype());
  }
  static void bring_back(const Tensor& from, const Tensor& to) {
    if (from.raw() != to.raw()) to.copy_from(from);
  }

  template <class Call>
  void begin(const Call& call) {
    const std::lock_guard lock(mpi_mutex_);
    check(call(), "MPI");
  }

  bool done(Transfer& transfer) {
    const std::lock_guard lock(mpi_mutex_);
    int all = 0;
    check(MPI_Testall(int(transfer.requests.size()), transfer.requests.data(), &all, MPI_STATUSES_IGNORE), "MPI");
    return all != 0;
  }

  /// Until all requests are done. Returns size(). Where it throws, the memory stays: MPI may write to it still.
  int wait(std::unique_ptr<Transfer>& transfer, const char* what) {
    const auto began = Clock::now();
    try {
      for (int tries = 0; !done(*transfer); ++tries) {
        throw_if_another_failed();
        if (seconds_since(began) > limit_s_)
          fail(ErrorKind::contract, name_of(*this), ": the other ranks did not come within ", limit_s_, " s (", what,
               ")");
        rest(tries);
      }
    } catch (...) {
      library_.failed = true;
      static_cast<void>(transfer.release());
      throw;
    }
    return size_;
  }

  /// Others compute on the same processors: first out of the way, then asleep.
  static void rest(int tries) {
    if (tries < 50) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(tries < kManyTries ? 20 : 200));
    }
  }

  std::vector<std::string> split(std::unique_ptr<Transfer>& texts, std::size_t begin, const std::vector<int>& lengths) {
    wait(texts, "gathering texts");
    std::vector<std::string> each;
    for (const int length : lengths) {
      each.push_back(texts->text.substr(begin, std::size_t(length)));
      begin += std::size_t(length);
    }
    return each;
  }

  /// The thread that sums: one after the other, in the order in which they were begun.
  void run_sums() {
    for (;;) {
      Sum sum;
      {
        std::unique_lock lock(sums_mutex_);
        sums_changed_.wait(lock, [this] { return ending_ || !to_sum_.empty(); });
        if (to_sum_.empty()) return;
        sum = std::move(to_sum_.front());
        to_sum_.pop_front();
      }
      std::exception_ptr error;
      const auto began = Clock::now();
      try {
        add_up(sum.numbers);
      } catch (...) {
        error = std::current_exception();
      }
      const std::lock_guard lock(sums_mutex_);
      times_.total_s += seconds_since(began);
      times_.bytes += i64(sum.numbers.bytes());
      if (error && !sum_error_) sum_error_ = error;
      sum = {};
      --unfinished_;
      sums_changed_.notify_all();
    }
  }

  void add_up(const Tensor& numbers) {
    const Tensor there = numbers.to(Device{}), pieces = Tensor::empty(there.shape());
    const i64 each = there.numel() / size_;
    float* const mine = there.data() + rank_ * each;
    auto pieces_come = std::make_unique<Transfer>(), sums_go = std::make_unique<Transfer>();
    pieces_come->tensors = sums_go->tensors = {there, pieces};
    begin([&] {
      return MPI_Ialltoall(there.data(), count_of(std::size_t(each)), MPI_FLOAT, pieces.data(), int(each), MPI_FLOAT,
                           sums_, pieces_come->another());
    });
    wait(pieces_come, "gradients");
    add_in_order(pieces.data(), size_, each, mine);
    begin([&] {
      return MPI_Iallgather(MPI_IN_PLACE, 0, MPI_FLOAT, there.data(), int(each), MPI_FLOAT, sums_, sums_go->another());
    });
    wait(sums_go, "sums of gradients");
    bring_back(there, numbers);
  }

  /// sum [n] = the first piece [n] + the second + ..., rounded once.
  static void add_in_order(const float* pieces, i64 count, i64 n, float* sum) {
    constexpr i64 kBlock = 256;
    double block[kBlock];
    for (i64 begin = 0; begin < n; begin += kBlock) {
      const i64 width = std::min(kBlock, n - begin);
      std::fill_n(block, width, 0.);
      for (i64 r = 0; r < count; ++r) {
        const float* const piece = pieces + r * n + begin;
        for (i64 i = 0; i < width; ++i) block[i] += double(piece[i]);
      }
      for (i64 i = 0; i < width; ++i) sum[begin + i] = float(block[i]);
    }
  }

  const double limit_s_;
  Library library_;
  const Channel calls_, sums_, errors_;
  int rank_ = 0, size_ = 1, rank_on_host_ = 0;
  std::string host_;
  std::mutex mpi_mutex_;        // of every call of MPI
  std::optional<Error> heard_;  // what another rank has failed with

  mutable std::mutex sums_mutex_;  // of what follows
  std::condition_variable sums_changed_;
  std::deque<Sum> to_sum_;
  i64 unfinished_ = 0;
  bool ending_ = false;
  std::exception_ptr sum_error_;
  SumTimes times_;
  std::thread summing_;
};

}  // namespace

std::unique_ptr<Communicator> mpi_communicator(double limit_s) { return std::make_unique<MpiCommunicator>(limit_s); }

}  // namespace md
