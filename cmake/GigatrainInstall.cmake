# Install rules: library, public headers, command, and a package for find_package(gigatrain).
include(CMakePackageConfigHelpers)
set(GT_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/gigatrain)

install(TARGETS gigatrain EXPORT gigatrainTargets)
install(DIRECTORY include/gigatrain DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT gigatrainTargets NAMESPACE gigatrain:: DESTINATION ${GT_CMAKE_DIR})
configure_package_config_file(cmake/gigatrainConfig.cmake.in ${CMAKE_BINARY_DIR}/gigatrainConfig.cmake
                              INSTALL_DESTINATION ${GT_CMAKE_DIR})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/gigatrainConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/gigatrainConfig.cmake ${CMAKE_BINARY_DIR}/gigatrainConfigVersion.cmake
        DESTINATION ${GT_CMAKE_DIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(TARGET gigatrain_cuda)
  install(TARGETS gigatrain_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})  # beside the library
endif()
if(TARGET gigatrain_tool)
  # The installed command finds the library beside it, wherever the prefix is moved to.
  file(RELATIVE_PATH GT_BIN_TO_LIB ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_property(TARGET gigatrain_tool APPEND PROPERTY INSTALL_RPATH "$ORIGIN/${GT_BIN_TO_LIB}")
  install(TARGETS gigatrain_tool)
endif()
