// The order of the answers at one glance: a column a rank, answers as chips that can be dragged; ties share a
// column. Ranks can be set on the cards and by keys as well.
function rankBoard({ cards, pick }) {
  let dragged = false;
  const column = (rank) => make('li', { 'data-rank': rank },
    make('span', {}, rank ? String(rank) : 'Not ranked'), make('div', {}));
  const columns = Array.from({ length: cards.length + 1 }, (_, rank) => column(rank));
  const node = make('ol', { class: 'mz-board', 'aria-label': 'Order of the answers, the best first' },
    columns.slice(1), columns[0]);
  const chips = cards.map((card) => make('button', { type: 'button', class: 'mz-chip-answer',
    onclick: () => dragged || pick(card), onpointerdown: (event) => drag(event, card) }, card.letter));

  function paint() {
    cards.forEach((card, place) => {
      const away = card.said.severity === 'cannot judge';
      const rank = away ? 0 : card.said.rank ?? 0;
      const home = columns[rank].lastChild;
      if (chips[place].parentNode !== home) {
        const focused = document.activeElement === chips[place];
        home.append(chips[place]);
        if (focused) chips[place].focus();
      }
      const words = away ? 'cannot be judged' : rank ? `rank ${rank}` : 'not ranked';
      chips[place].setAttribute('aria-label', `Answer ${card.letter}, ${words}`);
      chips[place].classList.toggle('mz-away', away);
    });
    for (const one of columns) [...one.lastChild.children].sort((a, b) => a.textContent.localeCompare(b.textContent))
      .forEach((chip, place, sorted) => { if (one.lastChild.children[place] !== chip) one.lastChild.append(...sorted.slice(place)); });
  }

  function drag(start, card) {
    if (start.button) return;
    dragged = false;
    const chip = start.currentTarget;
    const under = (event) => columns.find((one) => {
      const box = one.getBoundingClientRect();
      return event.clientX >= box.left && event.clientX < box.right
        && event.clientY >= box.top - 24 && event.clientY < box.bottom + 24;
    });
    const show = (at) => columns.forEach((one) => one.classList.toggle('mz-over', one === at));
    const move = (event) => {
      const [x, y] = [event.clientX - start.clientX, event.clientY - start.clientY];
      if (Math.hypot(x, y) < 6 && !dragged) return;
      dragged = true;
      chip.style.transform = `translate(${x}px, ${y}px)`;
      show(under(event));
    };
    const end = (event) => {
      chip.removeEventListener('pointermove', move);
      chip.style.transform = '';
      show(null);
      const at = event.type === 'pointerup' && dragged && under(event);
      if (at && Number(at.dataset.rank)) card.placeAt(Number(at.dataset.rank));
    };
    chip.setPointerCapture(start.pointerId);
    chip.addEventListener('pointermove', move);
    chip.addEventListener('pointerup', end, { once: true });
    chip.addEventListener('pointercancel', end, { once: true });
  }

  paint();
  return { node, paint };
}
