// report.html as text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "train/run_log.h"

namespace gigatrain {

std::string report_html(const std::vector<RunLog>& runs);

// The parts of the page, made from the files in src/train/report/ by cmake/GigatrainEmbed.cmake.
namespace report_page {
extern const std::string_view kHtml;  // with the marks /*STYLE*/, /*DATA*/ and /*SCRIPT*/
extern const std::string_view kStyle, kScript;
}  // namespace report_page

}  // namespace gigatrain
