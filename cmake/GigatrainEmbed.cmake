# Writes text files into a C++ source, as string literals. Run as a script by the build:
#   cmake -DOUTPUT=page.cpp -DFOLDER=src/train/report -P GigatrainEmbed.cmake
function(gt_literal variable)
  set(text "")
  foreach(name IN LISTS ARGN)
    file(READ ${FOLDER}/${name} part)
    string(APPEND text "${part}")
  endforeach()
  set(${variable} "R\"gt_file(${text})gt_file\"" PARENT_SCOPE)
endfunction()

gt_literal(html page.html)
gt_literal(style style.css)
gt_literal(script format.js ticks.js chart.js summary.js parts.js panels.js controls.js page.js)
file(WRITE ${OUTPUT} "// Made from the files in src/train/report.
#include \"train/report_html.h\"

namespace gigatrain::report_page {
constinit const std::string_view kHtml = ${html};
constinit const std::string_view kStyle = ${style};
constinit const std::string_view kScript = ${script};
}  // namespace gigatrain::report_page
")
