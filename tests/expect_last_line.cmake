# Runs PROGRAM and compares the last line it prints with the `// Expect: <regex>` line of SOURCE.
# cmake -DPROGRAM=<path> -DSOURCE=<file.cpp> -P expect_last_line.cmake
file(STRINGS ${SOURCE} expect REGEX "^// *Expect: " LIMIT_COUNT 1)
string(REGEX REPLACE "^// *Expect: " "" expect "${expect}")
if(NOT expect)
  message(FATAL_ERROR "${SOURCE} has no line `// Expect: <regex of the last line it prints>`")
endif()

execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE result
                OUTPUT_STRIP_TRAILING_WHITESPACE)
string(REGEX REPLACE "^.*\n" "" last "${output}")
message("${output}\n${errors}")
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with ${result}")
endif()
if(NOT last MATCHES "^${expect}$")
  message(FATAL_ERROR "expected last line: ${expect}\ngot: ${last}")
endif()
