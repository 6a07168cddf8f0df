# Installs BUILD into a fresh prefix, moves the prefix, then builds and runs tests/consumer against
# it, and the installed command: what a user of the package does.
# cmake -DBUILD=<dir> -DSOURCE=<tests/consumer> -DWORK=<scratch> -DCXX=<compiler> -P this
set(prefix ${WORK}/moved)
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result COMMAND_ECHO STDOUT)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "failed (${result}): ${ARGN}")
  endif()
endfunction()

execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix
                RESULT_VARIABLE result OUTPUT_QUIET)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "install failed")
endif()
file(RENAME ${WORK}/prefix ${prefix})

run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -G Ninja -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_CXX_COMPILER=${CXX})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)
if(EXISTS ${prefix}/bin/gigatrain)
  run(${prefix}/bin/gigatrain --version)
endif()
