// The documents of .txt and .jsonl files, in order.
#pragma once

#include <string>
#include <string_view>

#include "gigatrain/runtime/function_ref.h"

namespace gigatrain {

// Calls visit(text) for each document of a file; the view lives for that call only. Throws
// Error(data) naming file and line for a line that is not what tokenize_files.h describes.
void visit_documents(const std::string& path, FunctionRef<void(std::string_view)> visit);

}  // namespace gigatrain
