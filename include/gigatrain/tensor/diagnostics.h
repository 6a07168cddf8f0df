// Where this thread's work stands: the layer whose forward runs, who records a trace, and whether
// values are checked (anomaly.h). With all of it off, a scope costs the change of one pointer.
#pragma once

#include <cstdint>
#include <string>

namespace gigatrain {

// Told of every scope that begins and ends in its thread, properly nested.
class ScopeObserver {
 public:
  virtual ~ScopeObserver() = default;
  // category: "phase", "layer" or "backward".
  virtual void enter(const char* category, const std::string& name) = 0;
  virtual void leave() = 0;
};

struct Diagnostics {
  const std::string* layer = nullptr;  // path of the innermost layer at work; null: none
  ScopeObserver* observer = nullptr;
  bool anomaly = false;
  std::int64_t step = -1;  // of the anomaly check; -1: not told
  // Nodes remember their layer only when somebody will ask.
  bool wants_layers() const { return anomaly || observer; }
};
Diagnostics& diagnostics();  // this thread's

// Reports a piece of work to the observer, if there is one.
class Scope {
 public:
  Scope(const char* category, const std::string& name) : observer_(diagnostics().observer) {
    if (observer_) observer_->enter(category, name);
  }
  Scope(const char* category, const char* name) : observer_(diagnostics().observer) {
    if (observer_) observer_->enter(category, name);
  }
  ~Scope() {
    if (observer_) observer_->leave();
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  ScopeObserver* observer_;
};

// The work of a layer: `path` must live as long.
class LayerScope {
 public:
  explicit LayerScope(const std::string& path)
      : scope_("layer", path), before_(diagnostics().layer) {
    diagnostics().layer = &path;
  }
  ~LayerScope() { diagnostics().layer = before_; }
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;

 private:
  Scope scope_;
  const std::string* before_;
};

}  // namespace gigatrain
