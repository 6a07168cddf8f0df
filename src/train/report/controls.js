// The bar at the top: runs, horizontal axis, smoothing, theme.

function legend() {
  const chip = (run) =>
      h('button', {
        class: 'chip',
        type: 'button',
        color: run.color,
        'aria-pressed': true,
        title: run.folder,
        onclick: (e) => {
          if (!view.hidden.delete(run)) view.hidden.add(run);
          e.currentTarget.setAttribute('aria-pressed', !view.hidden.has(run));
          view.draw();
        }
      },
        h('i', {class: 'dot', color: run.color}), h('span', null, run.name));
  document.getElementById('legend').append(...(runs.length > 1 ? runs.map(chip) : []));
}

function axisButtons() {
  const possible = Object.keys(axes).filter(
      (a) => a === 'step' || runs.every((r) => r.curves[a]?.y.every(isNumber)));
  const buttons = possible.map(
      (a) =>
          h('button', {
            type: 'button',
            'aria-pressed': a === view.axis,
            onclick: () => {
              view.axis = a;
              buttons.forEach((b, i) => b.setAttribute('aria-pressed', possible[i] === a));
              view.hover(null);
              view.draw();
            }
          },
            axes[a].label));
  document.getElementById('axis').append(...buttons);
}

function smoothingSlider() {
  const input = document.getElementById('smoothing'),
        shown = document.getElementById('smoothing-value');
  input.value = view.smoothing;
  const read = () => {
    view.smoothing = Number(input.value);
    shown.textContent = view.smoothing === 0 ? 'off' : view.smoothing.toFixed(2);
  };
  input.addEventListener('input', () => {
    read();
    view.draw();
  });
  read();
}

// "auto" follows the system. ?theme=dark in the address decides too.
function themeButton() {
  const button = document.getElementById('theme'), themes = ['auto', 'light', 'dark'];
  let stored = null;
  try {
    stored = localStorage.getItem('gigatrain-theme');
  } catch { /* some browsers forbid it for files */
  }
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = {auto: 'Auto', light: 'Light', dark: 'Dark'}[theme];
    button.setAttribute('aria-label', 'Theme: ' + theme);
  };
  const asked = new URLSearchParams(location.search).get('theme') ?? stored;
  show(themes.includes(asked) ? asked : 'auto');
  button.addEventListener('click', () => {
    const next =
        themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
    show(next);
    try {
      localStorage.setItem('gigatrain-theme', next);
    } catch { /* as above */
    }
  });
}
