// Reads a table of numbers for the examples: one row a line, the label in the last column.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

struct Table {
  std::int64_t columns = 0;  // without the label
  std::vector<float> x;      // (rows, columns)
  std::vector<std::int32_t> label;
};

// Rows that `keep(row number)` says yes to.
template <class Keep>
Table read_csv(const std::string& path, const Keep& keep) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "%s is not there; next: ./scripts/fetch_datasets.sh\n", path.c_str());
    std::exit(3);
  }
  Table table;
  std::string line, cell;
  for (std::int64_t row = 0; std::getline(file, line); ++row) {
    std::vector<float> values;
    for (std::stringstream cells(line); std::getline(cells, cell, ',');)
      values.push_back(std::stof(cell));
    if (values.empty() || !keep(row)) continue;
    table.label.push_back(static_cast<std::int32_t>(values.back()));
    table.columns = static_cast<std::int64_t>(values.size()) - 1;
    table.x.insert(table.x.end(), values.begin(), values.end() - 1);
  }
  return table;
}
