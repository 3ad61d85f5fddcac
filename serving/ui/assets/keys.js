// Rating by keyboard: which key does what, and the table of them. Never while a text is typed.
const SEVERITY_OF = Object.fromEntries(SEVERITIES.map(([value, , key]) => [key, value]));
const ERROR_OF = Object.fromEntries(ERRORS.map(([value, , key]) => [key, value]));
const HELP = [
  ['1 to 8', 'take up answer A, B, …'],
  ...SEVERITIES.map(([, text, key]) => [key, text]),
  ...ERRORS.map(([value, text, key]) => [key, `${value} ${text}, on and off`]),
  ['Shift + 1 to 8', 'rank of the answer; the same rank is a tie'],
  ['Up, Down', 'one rank better, one rank worse'],
  ['v', 'show and hide the reference answer'],
  ['Enter', 'done, show names; then the next case'],
  ['b, f', 'one case back, one case forward'],
  ['?', 'this table'],
];

// `view()` is the case that is shown, or null; `step(by)` goes to a case beside it.
function keyboard({ view, step }) {
  const on = make('input', { type: 'checkbox', checked: true });
  const close = make('button', { type: 'button', class: 'mz-plain', onclick: () => table.close() }, 'Close');
  const table = make('dialog', { class: 'mz-keys', 'aria-label': 'Keys' },
    make('h2', {}, 'Keys'),
    make('dl', {}, HELP.map(([key, words]) => [make('dt', {}, make('kbd', {}, key)), make('dd', {}, words)])),
    make('label', {}, on, 'Single keys are on'), close);

  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented || table.open) return;
    const at = event.target;
    if (at.matches?.('textarea, select, input:not([type=radio]):not([type=checkbox])')) return;
    const act = meaning(event, at);
    if (!act) return;
    event.preventDefault();
    act();
  });

  function meaning(event, at) {
    if (event.key === '?') return () => table.showModal();
    const shown = view();
    if (!shown || !on.checked) return null;
    const digit = /^(?:Digit|Numpad)([1-8])$/.exec(event.code)?.[1];
    if (digit) return event.shiftKey ? () => shown.rank(Number(digit)) : () => shown.pick(digit - 1);
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (SEVERITY_OF[key]) return () => shown.with((card) => card.judge(SEVERITY_OF[key]));
    if (ERROR_OF[key]) return () => shown.with((card) => card.toggle(ERROR_OF[key]));
    if (key === 'Enter') return at.closest?.('button, summary, a') || event.repeat ? null : () => shown.finish();
    return {
      ArrowUp: () => shown.raise(-1), ArrowDown: () => shown.raise(1),
      v: () => shown.reveal(), b: () => step(-1), f: () => step(1),
    }[key] ?? null;
  }
  return { table, help: () => table.showModal() };
}
