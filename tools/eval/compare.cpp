// The same images under the same protocol, side by side.
#include "tools/eval/compare.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <iostream>

#include "engine/durable_file.h"
#include "tools/cli/cli.h"
#include "tools/cli/output.h"
#include "tools/cli/text_table.h"
#include "tools/eval/paired.h"

namespace md {
namespace {

/// Image i of a and of b is the same; `better[i]` > 0 where b is better.
struct Comparison : PairedImages {
  Protocol protocol;
  Metrics mean_a, mean_b;
  Intervals difference;            // of b - a, 95 %
  std::vector<double> gain;        // of each image: how much better b is, by `by`
  std::vector<std::size_t> order;  // of images, from the largest gain to the smallest
  const MetricField* by = nullptr;

  i64 count(auto holds) const { return std::ranges::count_if(gain, holds); }
};

void rank_images(Comparison& out) {
  for (std::size_t i = 0; i < out.images.size(); ++i) {
    const double difference = out.b[i].*out.by->value - out.a[i].*out.by->value;
    out.gain.push_back(out.by->higher ? difference : -difference);
    out.order.push_back(i);
  }
  std::ranges::stable_sort(out.order, std::greater<>(), [&](std::size_t i) { return out.gain[i]; });
}

Comparison compared(const CompareCommand& c) {
  const SavedResults a = read_results(c.a), b = read_results(c.b);
  Comparison out;
  static_cast<PairedImages&>(out) = pair_images({c.a, a.protocol, a.per_image}, {c.b, b.protocol, b.per_image});
  out.protocol = a.protocol;
  out.by = &metric_field(c.by);
  const Averaging averaging = out.protocol.averaging;
  out.mean_a = mean_metrics(out.a, averaging);
  out.mean_b = mean_metrics(out.b, averaging);
  out.difference = bootstrap_difference(out.a, out.b, averaging, {.seed = c.seed});
  rank_images(out);
  return out;
}

/// `top` images from one end of the order, as long as their gain has that sign.
std::vector<std::size_t> extremes(const Comparison& c, int top, bool better) {
  std::vector<std::size_t> found;
  for (std::size_t k = 0; k < c.order.size() && i64(found.size()) < top; ++k) {
    const std::size_t i = better ? c.order[k] : c.order[c.order.size() - 1 - k];
    if (better ? c.gain[i] > 0 : c.gain[i] < 0) found.push_back(i);
  }
  return found;
}

std::string verdict(const MetricField& field, const Interval& difference) {
  const Better better = better_of(field, difference);
  if (better == Better::unclear) return "no clear difference";
  return better == Better::b ? "B is better" : "A is better";
}

void print_table(const Comparison& c) {
  std::vector<std::vector<std::string>> rows = {{"measure", "A", "B", "B - A", "   95 % interval"}};
  for (const MetricField* field : table_columns(c.protocol)) {
    const double a = c.mean_a.*field->value, b = c.mean_b.*field->value;
    const Interval difference = c.difference.of(*field);
    const std::string interval =
        "   " + table_number(difference.low, "+") + " to " + table_number(difference.high, "+");
    rows.push_back({field->title, table_number(a), table_number(b), table_number(b - a, "+"), interval,
                    "  " + verdict(*field, difference)});
  }
  const TextColumn number{.least = 10};
  std::cout << text_table(
      {{.least = 8, .left = true}, number, number, number, {.least = 0, .left = true}, {.least = 0, .left = true}},
      rows);
}

void print_images(const Comparison& c, const CompareCommand& command) {
  std::cout << "by " << c.by->title << ", B is better on " << c.count([](double gain) { return gain > 0; })
            << " images, worse on " << c.count([](double gain) { return gain < 0; }) << "\n";
  for (const bool better : {true, false}) {
    for (const std::size_t i : extremes(c, command.top, better)) {
      std::cout << (better ? "better  " : "worse   ") << table_number(c.a[i].*c.by->value) << " -> "
                << table_number(c.b[i].*c.by->value) << "  " << c.images[i] << "\n";
    }
  }
}

nlohmann::ordered_json to_json(const Comparison& c, const CompareCommand& command) {
  nlohmann::ordered_json object{{"a", command.a}, {"b", command.b}};
  const std::string line = describe(c.protocol);
  object["protocol_hash"] = protocol_hash(line);
  object["protocol_line"] = line;
  object["images"] = c.images.size();
  for (const MetricField& field : metric_fields) {
    const double a = c.mean_a.*field.value, b = c.mean_b.*field.value;
    const Interval interval = c.difference.of(field);
    object["measures"][field.key] = {{"a", a},
                                     {"b", b},
                                     {"difference", b - a},
                                     {"interval_95", {interval.low, interval.high}},
                                     {"verdict", verdict(field, interval)}};
  }
  object["by"] = c.by->key;
  for (const std::size_t i : c.order) {
    object["per_image"].push_back({{"image", c.images[i]}, {"a", c.a[i].*c.by->value}, {"b", c.b[i].*c.by->value}});
  }
  return object;
}

}  // namespace

void add_compare_options(CLI::App& app, CompareCommand& c) {
  show_defaults(app);
  app.add_option("A", c.a, "result of mdeval: a file of its --json or --csv")->required();
  app.add_option("B", c.b,
                 "result of mdeval for the same images under the same protocol: a file of its --json or --csv")
      ->required();
  std::vector<std::string> keys;
  for (const MetricField& field : metric_fields) keys.emplace_back(field.key);
  app.add_option("--by", c.by, "measure that decides which images got better")->check(CLI::IsMember(keys));
  app.add_option("--top", c.top, "images to name: so many that got better most, and so many that got worse most")
      ->check(CLI::Range(0, 1000000));
  app.add_option("--json", c.json, "write the comparison, with every image from best to worst, to this file");
  app.add_option("--seed", c.seed, "number that fixes the paired bootstrap");
}

Exit compare(const CompareCommand& command) {
  if (!command.json.empty()) require_writable("--json", command.json);
  const Comparison comparison = compared(command);
  if (!command.json.empty()) write_file_durably(command.json, to_json(comparison, command).dump(2) + "\n");
  const std::string line = describe(comparison.protocol);
  std::cout << "A: " << command.a << "\nB: " << command.b << "\n"
            << comparison.images.size() << " images, protocol " << protocol_hash(line) << ": " << line << "\n";
  print_table(comparison);
  print_images(comparison, command);
  return Exit::ok;
}

}  // namespace md
