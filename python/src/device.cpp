// Devices. Those that Python opens live as long as the process, one for each set of options and
// rank, so that no tensor can outlive its device.

#include "gigatrain/runtime/device.h"

#include <map>
#include <tuple>

#include "ranks.h"

namespace gigatrain::python {

namespace {

using Options = std::tuple<std::string, int, int, bool, bool, int, int>;  // last: rank, ranks

struct Registry {
  std::map<Options, std::unique_ptr<Device>> devices;
  Device* chosen = nullptr;  // the default
};

Registry& registry() {
  static Registry* const all = new Registry;  // never destroyed, see above
  return *all;
}

std::unique_ptr<Device> make(const Options& options) {
  const auto& [kind, threads, ordinal, tf32, measure, rank, ranks] = options;
  if (kind == "cpu" && threads != 0)
    return std::make_unique<Device>(CpuOptions{.threads = threads});
  return open_device(kind, {.ordinal = ordinal, .tf32 = tf32, .measure = measure}, ranks);
}

Device& open(const std::string& kind, int threads, int ordinal, bool tf32, bool measure) {
  const Seat place = seat() ? *seat() : Seat{};
  const Options options{kind, threads, ordinal, tf32, measure, place.rank, place.ranks};
  auto& devices = registry().devices;
  if (const auto known = devices.find(options); known != devices.end()) return *known->second;
  std::unique_ptr<Device> made;
  {
    const py::gil_scoped_release unlocked;
    made = make(options);
  }
  if (kind == "auto" && made->is_cpu()) return open("cpu", threads, 0, false, false);
  auto& slot = devices[options];  // another thread may have been quicker
  if (!slot) slot = std::move(made);
  return *slot;
}

Device*& default_of_thread() {
  return seat() ? seat()->device : registry().chosen;
}

py::dict memory(Device& device) {
  const MemoryStats stats = device.allocator().stats();
  const auto pair = [](const MemoryStats::Bytes& b) {
    py::dict d;
    d["now"] = b.now;
    d["peak"] = b.peak;
    return d;
  };
  py::dict out;
  for (std::size_t i = 0; i < stats.by_purpose.size(); ++i)
    out[name(static_cast<Purpose>(i))] = pair(stats.by_purpose[i]);
  out["total"] = pair(stats.total);
  out["reserved"] = stats.reserved;
  out["system_allocations"] = stats.system_allocations;
  return out;
}

}  // namespace

Device& device_or_default(Device* device) {
  if (device) return *device;
  Device*& chosen = default_of_thread();
  // A rank's is of the kind that the program has chosen.
  const Device* of_program = registry().chosen;
  if (!chosen) chosen = &open(of_program ? of_program->facts().kind : "auto", 0, 0, false, false);
  return *chosen;
}

Device& host_device() {
  Device& device = device_or_default(nullptr);
  return device.is_cpu() ? device : open("cpu", 0, 0, false, false);
}

std::string device_text(Device& device) {
  return device.facts().kind;
}

void bind_device(py::module_& m) {
  using Pointer = std::unique_ptr<Device, py::nodelete>;
  py::class_<Device, Pointer>(
      m, "Device",
      "A processor with its memory and its queue of work. Made by device(); lives as long as the "
      "process. Wherever one is expected its kind will do: \"cpu\", \"cuda\", \"auto\".")
      .def(py::init([](const std::string& kind) { return &open(kind, 0, 0, false, false); }),
           py::arg("kind") = "auto", "The device of this kind; see device().")
      .def_property_readonly(
          "kind", [](Device& d) { return d.facts().kind; }, "\"cpu\" or \"cuda\"")
      .def_property_readonly(
          "model", [](Device& d) { return d.facts().model; }, "The maker's name of the processor.")
      .def_property_readonly(
          "threads", [](Device& d) { return d.pool().threads(); },
          "Threads that run CPU kernels; results never depend on it.")
      .def("synchronize", &Device::synchronize, Unlocked(),
           "Waits for everything submitted. Raises DeviceError naming what failed.")
      .def(
          "memory", &memory,
          "Bytes of live blocks by purpose (parameters, gradients, optimizer, activations, "
          "workspace, data) and in total: {purpose: {\"now\": n, \"peak\": n}}; reserved: live and "
          "cached bytes.")
      .def(
          "reset_peak_memory", [](Device& d) { d.allocator().reset_peak(); },
          "Peaks start again from what is live now.")
      .def(
          "trim_memory", [](Device& d) { d.allocator().trim(); },
          "Gives cached blocks back to the operating system or the driver.")
      .def("__eq__", [](Device& a, Device& b) { return &a == &b; })
      .def("__hash__", [](Device& a) { return std::hash<Device*>()(&a); })
      .def("__repr__", [](Device& d) { return "gigatrain.device(\"" + device_text(d) + "\")"; });
  py::implicitly_convertible<py::str, Device>();

  m.def("device", &open, py::return_value_policy::reference, py::arg("kind") = "auto",
        py::kw_only(), py::arg("threads") = 0, py::arg("ordinal") = 0, py::arg("tf32") = false,
        py::arg("measure") = false,
        "Opens a device, or returns it when it is open with the same options already.\n\n"
        "kind: \"cpu\", \"cuda\", or \"auto\": GIGATRAIN_DEVICE, else a GPU if one can be used, "
        "else the CPU.\nthreads: of a CPU; 0: GIGATRAIN_NUM_THREADS, else every core, or a rank's "
        "share of them. Every rank has a device of its own.\nordinal: "
        "which GPU. tf32: f32 products of a GPU on tensor cores, operands rounded to 10 bits.\n"
        "measure: choose a GPU's product algorithms by timing.\n"
        "Raises DeviceError that says which part is missing and what to do.");
  m.def(
      "default_device", [] { return &device_or_default(nullptr); },
      py::return_value_policy::reference,
      "The device of tensors and models for which none is given; device(\"auto\") at first.");
  m.def(
      "set_default_device", [](Device& device) { default_of_thread() = &device; },
      py::arg("device"), "Chooses default_device().");
  m.def("cuda_available", &cuda_plugin_present, "Was the CUDA part built and installed?");
}

}  // namespace gigatrain::python
