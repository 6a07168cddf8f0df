// gigatrain.Function: an op whose forward and backward are written in Python (tensor/custom.h).

#include "common.h"
#include "gigatrain/tensor/custom.h"
#include "gigatrain/tensor/node.h"

namespace gigatrain::python {

namespace {

struct Function {};  // a base to derive from

struct Context {
  std::vector<Tensor> saved;
  std::vector<bool> wanted;
};

std::string name_of(const py::handle& type) {
  return py::str(type.attr("__name__"));
}

// One for each argument of apply(): undefined where it is no tensor.
std::vector<Tensor> inputs_of(const py::args& args) {
  std::vector<Tensor> inputs;
  for (const auto& a : args) {
    if (py::isinstance<Tensor>(a))
      inputs.push_back(a.cast<Tensor>());
    else
      inputs.push_back(or_none(tensor_of_parameter(a)));
  }
  return inputs;
}

py::tuple forward_arguments(const py::object& context, const py::args& args,
                            const std::vector<Tensor>& inputs) {
  py::tuple out(args.size() + 1);
  out[0] = context;
  for (std::size_t i = 0; i < args.size(); ++i)
    out[i + 1] = inputs[i] ? py::cast(inputs[i]) : py::object(args[i]);
  return out;
}

// A tensor, or a sequence of tensors and None.
std::vector<Tensor> tensors_from(const py::object& result, const std::string& what) {
  std::vector<Tensor> out;
  const auto add = [&](const py::handle& item) {
    if (item.is_none())
      out.emplace_back();
    else if (py::isinstance<Tensor>(item))
      out.push_back(item.cast<Tensor>());
    else
      throw py::type_error(what + " must return tensors, got " +
                           name_of(py::type::handle_of(item)) + " in place " +
                           std::to_string(out.size()));
  };
  if (py::isinstance<py::tuple>(result) || py::isinstance<py::list>(result))
    for (const auto& item : result) add(item);
  else
    add(result);
  return out;
}

std::vector<Tensor> run_backward(const Held& type, const Held& context, const CustomGradients& g) {
  const py::gil_scoped_acquire lock;
  auto& c = context.get().cast<Context&>();
  c.saved = g.saved;
  py::tuple arguments(g.dout.size() + 1);
  arguments[0] = context.get();
  for (std::size_t i = 0; i < g.dout.size(); ++i) arguments[i + 1] = py::cast(g.dout[i]);
  const py::object result = type.get().attr("backward")(*arguments);
  c.saved.clear();
  return tensors_from(result, name_of(type.get()) + ".backward()");
}

py::object apply(const py::object& type, const py::args& args) {
  const std::vector<Tensor> inputs = inputs_of(args);
  Context made;
  for (const auto& x : inputs) made.wanted.push_back(x && grad_needed({x}));
  const py::object context = py::cast(std::move(made));
  py::object result;
  {
    const NoGrad off;
    result = type.attr("forward")(*forward_arguments(context, args, inputs));
  }
  const auto outputs = tensors_from(result, name_of(type) + ".forward()");
  auto saved = std::exchange(context.cast<Context&>().saved, {});
  const auto y = custom_op(name_of(type), inputs, outputs, saved,
                           [t = std::make_shared<Held>(type), c = std::make_shared<Held>(context)](
                               const CustomGradients& g) { return run_backward(*t, *c, g); });
  if (y.size() == 1 && !py::isinstance<py::tuple>(result) && !py::isinstance<py::list>(result))
    return py::cast(y.front());
  return py::tuple(py::cast(y));
}

}  // namespace

void bind_function(py::module_& m) {
  py::class_<Context>(m, "FunctionContext", py::dynamic_attr(),
                      "What a Function's forward leaves for its backward: tensors by "
                      "save_for_backward(), anything else as attributes.")
      .def(
          "save_for_backward",
          [](Context& c, const py::args& tensors) {
            c.saved = tensors_from(tensors, "save_for_backward()");
          },
          "Keeps tensors (or None) until the backward, which finds them in .saved.")
      .def_readonly("saved", &Context::saved, "What save_for_backward() kept, in its order.")
      .def_readonly("needs_input_grad", &Context::wanted,
                    "For each argument of apply(): is its gradient wanted?");

  py::class_<Function>(m, "Function",
                       "An op of your own. Derive, write two static methods and call apply():\n\n"
                       "    class Square(gt.Function):\n"
                       "        @staticmethod\n"
                       "        def forward(ctx, x):\n"
                       "            ctx.save_for_backward(x)\n"
                       "            return x * x\n"
                       "        @staticmethod\n"
                       "        def backward(ctx, dout):\n"
                       "            return 2.0 * ctx.saved[0] * dout\n\n"
                       "    y = Square.apply(x)\n\n"
                       "forward runs with the tape off. backward gets one gradient an output (None "
                       "where none came) and returns one an argument of apply(), of its shape and "
                       "dtype; None where the argument is no tensor or needs none. What does not "
                       "fit raises InvalidArgument that names the function, the argument and the "
                       "shape expected.")
      .def(py::init<>());
  m.attr("Function").attr("apply") = py::reinterpret_steal<py::object>(
      PyClassMethod_New(py::cpp_function(&apply, py::name("apply"),
                                         "Runs forward(ctx, *args) and puts it on the tape.")
                            .ptr()));
}

}  // namespace gigatrain::python
