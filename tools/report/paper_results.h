// What the paper reports (paper_results.json), and whether a result of ours may be compared with it at all.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/eval/results.h"

namespace md {

/// A row of the paper's Table I or II.
struct PaperRow {
  std::string method, ranges, margins;
  bool metric_depth = false;
  std::map<std::string, std::string> measures;  // as printed, by the keys of metric_fields
};

/// The rows of one network on one data set.
struct PaperRows {
  std::string table, dataset, source;
  std::vector<PaperRow> rows;
};

/// net as configurations have it (any BTS or NeWCRFs is the paper's); nothing where the paper has no such row.
std::optional<PaperRows> paper_rows(const std::string& net, const std::string& dataset);

/// Why these results are not of what the paper scored; empty where they are.
std::vector<std::string> not_comparable(const Results&);

}  // namespace md
