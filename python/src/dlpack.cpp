// Tensors to and from every library that speaks DLPack, without a copy.

#include "dlpack.h"

#include <array>

#include "common.h"

namespace gigatrain::python {

namespace {

using namespace dlpack;

[[noreturn]] void refuse(const std::string& message, const std::string& next = {}) {
  throw Error(ErrorCode::invalid_argument, message, next);
}

DLDataType dl_type(DType dtype) {
  const auto bits = static_cast<std::uint8_t>(8 * size_of(dtype));
  if (dtype == DType::bf16) return {kDLBfloat, bits, 1};
  if (dtype == DType::u8) return {kDLUInt, bits, 1};
  return {is_floating(dtype) ? kDLFloat : kDLInt, bits, 1};
}

DType our_type(const DLDataType& given) {
  if (given.code == kDLBool && given.bits == 8 && given.lanes == 1) return DType::u8;
  for (const auto d :
       {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i32, DType::i64, DType::u8}) {
    const DLDataType own = dl_type(d);
    if (own.code == given.code && own.bits == given.bits && given.lanes == 1) return d;
  }
  refuse("tensors have no DLPack dtype of code " + std::to_string(given.code) + " with " +
             std::to_string(given.bits) + " bits and " + std::to_string(given.lanes) + " lanes",
         "convert it to float32, float64, float16, bfloat16, int32, int64, uint8 or bool");
}

DLDevice dl_device(Device& device) {
  if (device.is_cpu()) return {kDLCPU, 0};
  return {kDLCUDA, device.facts().ordinal};
}
bool same(const DLDevice& a, const DLDevice& b) {
  return a.device_type == b.device_type && a.device_id == b.device_id;
}

// Before memory changes hands where nothing may be thrown: a fault is reported by the next call
// that may throw.
void wait_quietly(Backend* gpu, void (Backend::*wait)()) {
  try {
    if (gpu) (gpu->*wait)();
  } catch (const Error&) {
  }
}

// --- out

struct Exported {  // what a capsule keeps alive
  Tensor tensor;
  std::array<std::int64_t, kMaxDims> shape{}, strides{};
};

// The consumer may have work of its own on this memory, in a queue that we do not know, and we
// would lend the memory out again.
template <class Managed>
void delete_managed(Managed* managed) {
  auto* exported = static_cast<Exported*>(managed->manager_ctx);
  wait_quietly(exported->tensor.device().backend(), &Backend::synchronize_all);
  delete exported;
  delete managed;
}

template <class Managed>
void free_unused(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, Names<Managed>::fresh)) return;  // a consumer has it
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, Names<Managed>::fresh));
  managed->deleter(managed);
}

template <class Managed>
py::object export_tensor(const Tensor& t, std::uint64_t flags) {
  auto* kept = new Exported{t.detach()};
  const TensorView& v = t.view();
  for (int i = 0; i < v.shape.dims(); ++i) {
    kept->shape[static_cast<std::size_t>(i)] = v.shape[i];
    kept->strides[static_cast<std::size_t>(i)] = v.strides[static_cast<std::size_t>(i)];
  }
  auto* managed = new Managed{};
  managed->dl_tensor = {v.data,
                        dl_device(t.device()),
                        v.shape.dims(),
                        dl_type(v.dtype),
                        kept->shape.data(),
                        kept->strides.data(),
                        0};
  managed->manager_ctx = kept;
  managed->deleter = &delete_managed<Managed>;
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    managed->version = {1, 0};
    managed->flags = flags;
  }
  return py::reinterpret_steal<py::object>(
      PyCapsule_New(managed, Names<Managed>::fresh, &free_unused<Managed>));
}

py::object dlpack_of(const Tensor& t, const py::object& /*stream*/, const py::object& max_version,
                     const py::object& device, std::optional<bool> copy) {
  const DLDevice own = dl_device(t.device());
  if (!device.is_none() &&
      device.cast<std::pair<int, int>>() != std::pair(int{own.device_type}, int{own.device_id}))
    refuse("the tensor is on '" + device_text(t.device()) + "', and another device was asked for",
           "t.to(device) first");
  Tensor out = t;
  {
    const py::gil_scoped_release unlocked;
    if (copy.value_or(false)) {
      out = Tensor::empty(t.device(), t.shape(), t.dtype(), {Purpose::data, "dlpack"});
      out.assign(t);
    }
    t.device().synchronize();  // whatever queue the consumer uses
  }
  if (!max_version.is_none() && max_version.cast<std::pair<int, int>>().first >= 1)
    return export_tensor<DLManagedTensorVersioned>(
        out, (t.requires_grad() ? kReadOnly : 0) | (copy.value_or(false) ? kIsCopied : 0));
  return export_tensor<DLManagedTensor>(out, 0);
}

// --- in

TensorView view_of(const DLTensor& d) {
  Shape shape;
  for (int i = 0; i < d.ndim; ++i) shape.push_back(d.shape[i]);
  TensorView view(static_cast<char*>(d.data) + d.byte_offset, our_type(d.dtype), shape);
  if (reinterpret_cast<std::uintptr_t>(view.data) % static_cast<std::size_t>(size_of(view.dtype)))
    refuse("the tensor's memory is not aligned to its elements", "copy it first");
  for (int i = 0; d.strides && i < d.ndim; ++i) {
    if (d.strides[i] < 0 && d.shape[i] > 1)
      refuse("strides must not be negative, got " + std::to_string(d.strides[i]) + " in dim " +
                 std::to_string(i),
             "make it contiguous first");
    view.strides[static_cast<std::size_t>(i)] = d.strides[i];
  }
  return view;
}

Device& device_of(const DLTensor& d) {
  if (d.device.device_type == kDLCPU) return host_device();
  Device& device = device_or_default(nullptr);
  if (same(d.device, dl_device(device))) return device;
  refuse("the tensor is on DLPack device (" + std::to_string(d.device.device_type) + ", " +
             std::to_string(d.device.device_id) + "), where the default device is not",
         "move it to the CPU first, or gt.set_default_device(gt.device(\"cuda\", ordinal=" +
             std::to_string(d.device.device_id) + "))");
}

template <class Managed>
Tensor import_tensor(const py::object& capsule) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), Names<Managed>::fresh));
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    if (managed->version.major > 1)
      refuse("DLPack version " + std::to_string(managed->version.major) + " is not known");
    if (managed->flags & kReadOnly)
      refuse("the tensor is read-only, and one that shares its memory could be written to",
             "copy it first");
  }
  const TensorView view = view_of(managed->dl_tensor);
  Device& device = device_of(managed->dl_tensor);
  PyCapsule_SetName(capsule.ptr(), Names<Managed>::used);
  // The deleter may be Python's: it gets the interpreter's lock. Before it, what our queue still
  // has to do with the memory is done.
  const auto release = [managed, gpu = device.backend()] {
    if (!Py_IsInitialized() || !managed->deleter) return;
    wait_quietly(gpu, &Backend::synchronize);
    const py::gil_scoped_acquire lock;
    managed->deleter(managed);
  };
  return Tensor::wrap(device, Storage::borrow(view.data, view.bytes(), release), view);
}

py::object capsule_of(const py::object& x) {
  if (PyCapsule_CheckExact(x.ptr())) return x;
  if (!py::hasattr(x, "__dlpack__"))
    refuse("from_dlpack() needs an object with __dlpack__(), got " +
           std::string(py::str(py::type::of(x).attr("__name__"))));
  // On a GPU the producer lets our queue wait for its own.
  py::dict arguments;
  if (py::hasattr(x, "__dlpack_device__") &&
      x.attr("__dlpack_device__")().cast<std::pair<int, int>>().first == kDLCUDA)
    if (Backend* gpu = device_or_default(nullptr).backend())
      arguments["stream"] = reinterpret_cast<std::uintptr_t>(gpu->native_queue());
  try {
    return x.attr("__dlpack__")(**arguments, py::arg("max_version") = py::make_tuple(1, 0));
  } catch (py::error_already_set& e) {
    if (!e.matches(PyExc_TypeError)) throw;
    return x.attr("__dlpack__")(**arguments);  // from before version 1
  }
}

}  // namespace

void bind_dlpack(py::module_& m) {
  auto tensor = py::reinterpret_borrow<py::class_<Tensor>>(m.attr("Tensor"));
  tensor.def(
      "__dlpack__", &dlpack_of, py::kw_only(), py::arg("stream") = py::none(),
      py::arg("max_version") = py::none(), py::arg("dl_device") = py::none(),
      py::arg("copy") = py::none(),
      "A DLPack capsule that shares this tensor's memory (versioned if max_version allows).");
  tensor.def(
      "__dlpack_device__",
      [](const Tensor& t) {
        const DLDevice d = dl_device(t.device());
        return std::pair(int{d.device_type}, int{d.device_id});
      },
      "(device type, device number) of DLPack: (1, 0) is the CPU, (2, 0) a GPU.");
  m.def(
      "from_dlpack",
      [](const py::object& x) {
        const py::object capsule = capsule_of(x);
        if (PyCapsule_IsValid(capsule.ptr(), Names<DLManagedTensorVersioned>::fresh))
          return import_tensor<DLManagedTensorVersioned>(capsule);
        if (PyCapsule_IsValid(capsule.ptr(), Names<DLManagedTensor>::fresh))
          return import_tensor<DLManagedTensor>(capsule);
        refuse("the DLPack capsule was used before, or is no such capsule",
               "each call of __dlpack__() makes a new one");
      },
      py::arg("x"),
      "A tensor that shares the memory of another library's (PyTorch, JAX, numpy, CuPy, ...), "
      "strides included, and keeps it alive.\n\nRaises InvalidArgument for dtypes, devices, "
      "read-only or negatively strided memory that tensors do not have.");
}

}  // namespace gigatrain::python
