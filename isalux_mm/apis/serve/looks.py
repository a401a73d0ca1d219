"""How the page looks, and what its slider lacks: styles and a script."""

CSS = """
.gradio-container, .gradio-container main { max-width: 1280px !important; width: 100%; margin: 0 auto !important; }
.gradio-container main > .wrap, .gradio-container .column { width: 100%; }
#title h1 { margin-bottom: 0; }
#title p { margin-top: .2em; }
#message p { margin: 0; padding: .6em .8em; border-radius: 8px; border-left: 5px solid; overflow-wrap: anywhere; }
#message .note { background: #eef5ee; border-color: #3c7d46; color: #1c3a21; }
#message .problem { background: #fdecea; border-color: #b3261e; color: #601410; }
:is(#compare, #boxes) img { object-fit: contain !important; }
:is(#compare, #boxes) .outer:focus-visible { outline: 3px solid #c2410c; outline-offset: -3px; }
"""
# Gradio's slider takes the pointer alone: keys, name and value for keyboards and screen readers are added
KEYBOARD = """
<script>
(() => {
  const step = 0.05;
  const place = (handle) => {
    const whole = handle.parentElement.getBoundingClientRect();
    const own = handle.getBoundingClientRect();
    return { x: own.left + own.width / 2, y: whole.top + whole.height / 2, left: whole.left, width: whole.width };
  };
  const tell = (handle) => {
    const at = place(handle);
    const percent = Math.round(100 * (at.x - at.left) / Math.max(at.width, 1));
    handle.setAttribute('aria-valuenow', String(Math.min(Math.max(percent, 0), 100)));
  };
  const drag = (handle, x) => {
    const at = place(handle);
    const send = (kind, clientX, target) => target.dispatchEvent(new MouseEvent(
      kind, { clientX, clientY: at.y, bubbles: true, cancelable: true, view: window, button: 0 }));
    send('mousedown', at.x, handle);
    send('mousemove', x, window);
    send('mouseup', x, window);
    requestAnimationFrame(() => tell(handle));
  };
  const equip = (handle) => {
    const attributes = { tabindex: '0', role: 'slider', 'aria-label': 'division between before and after',
      'aria-orientation': 'horizontal', 'aria-valuemin': '0', 'aria-valuemax': '100' };
    for (const [name, value] of Object.entries(attributes)) handle.setAttribute(name, value);
    tell(handle);
    handle.addEventListener('pointerup', () => requestAnimationFrame(() => tell(handle)));
    handle.addEventListener('keydown', (event) => {
      const at = place(handle);
      const target = { ArrowLeft: at.x - step * at.width, ArrowRight: at.x + step * at.width,
        Home: at.left + 1, End: at.left + at.width - 1 }[event.key];
      if (target === undefined) return;
      event.preventDefault();
      drag(handle, Math.min(Math.max(target, at.left + 1), at.left + at.width - 1));
    });
  };
  const describe = (box) => box.querySelectorAll('img').forEach((image, index) => {
    const text = index === 0 ? 'before' : 'after';
    if (image.alt !== text) image.alt = text;
  });
  new MutationObserver(() => document.querySelectorAll('#compare, #boxes').forEach((box) => {
    box.querySelectorAll('.outer:not([tabindex])').forEach(equip);
    describe(box);
  })).observe(document, { childList: true, subtree: true });
})();
</script>
"""
