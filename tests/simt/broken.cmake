# Kernels that read or write past their memory must be caught in a build with AddressSanitizer: the
# process ends with its report, which these tests expect.
if(Catch2_FOUND AND GIGATRAIN_SANITIZE MATCHES "address")
  foreach(memory shared global)
    add_test(NAME "simt:out of range of ${memory} memory"
             COMMAND gigatrain_tests "simt: a kernel that leaves ${memory} memory")
    set_tests_properties("simt:out of range of ${memory} memory" PROPERTIES
      PASS_REGULAR_EXPRESSION "AddressSanitizer: heap-buffer-overflow" TIMEOUT 60 LABELS simt)
  endforeach()
endif()
