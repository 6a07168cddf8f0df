#include "gigatrain/nn/dynamic.h"

#include <catch2/catch.hpp>

#include "gigatrain/nn/layers.h"

using namespace gigatrain;

namespace {

struct Anything : nn::Dynamic<nn::Layer> {
  Tensor forward(const Tensor& x, nn::BatchContext&) override { return x; }
};

std::vector<std::string> names(nn::Layer& root) {
  nn::assign_names(root);
  std::vector<std::string> out;
  for (const auto* p : nn::named_parameters(root)) out.push_back(p->name());
  return out;
}

}  // namespace

TEST_CASE("children and parameters come and go while the program runs", "[unit][nn]") {
  Anything root;
  root.set_child("a", std::make_shared<nn::LayerNorm>(4));
  root.set_parameter("w", std::make_shared<Parameter>(Shape{2}, Init{}));
  CHECK(names(root) == std::vector<std::string>{"a.bias", "a.weight", "w"});
  root.set_child("a", std::make_shared<nn::LayerNorm>(4, 1e-5f, /*bias=*/false));  // replaces
  CHECK(names(root) == std::vector<std::string>{"a.weight", "w"});
  root.set_parameter("w", nullptr);
  root.set_child("a", nullptr);
  root.set_child("never there", nullptr);
  CHECK(names(root).empty());
  root.set_child("a", std::make_shared<nn::LayerNorm>(4));  // the name is free again
  CHECK(names(root).size() == 2);
  CHECK(root.children().size() == 1);
}
