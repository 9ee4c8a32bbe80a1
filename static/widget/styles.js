// Sizes are em on the frame's own keyword size: rem would follow the page around it. `all: initial` on the frame, not on
// the host, keeps a page's `!important` rules from leaking in.
const CSS = `
:host{display:block;color-scheme:light dark;container-type:inline-size}
:host([hidden]){display:none}
:host([color-scheme=light]){color-scheme:light}
:host([color-scheme=dark]){color-scheme:dark}
*,*::before,*::after{box-sizing:border-box}
[hidden]{display:none!important}
.frame,.launcher{
  --paper:var(--channel-chat-paper,light-dark(#EEF2F1,#0B1418));
  --surface:var(--channel-chat-surface,light-dark(#fff,#132026));
  --ink:var(--channel-chat-ink,light-dark(#0C1A20,#E8F0EE));
  --ink-2:var(--channel-chat-ink-2,light-dark(#46565C,#A2B3B6));
  --edge:var(--channel-chat-edge,light-dark(#71828A,#6B7F86));
  --hair:light-dark(#CDD7D6,#25363D);
  --alert:var(--channel-chat-alert,light-dark(#B3201A,#FF7A6E));
  --ochre:light-dark(#7A4E00,#F4C04A);
  --focus:var(--channel-chat-accent,light-dark(#1D45C4,#94B2FF));
  all:initial;box-sizing:border-box;color-scheme:inherit;color:var(--ink);
  font:var(--channel-chat-font,medium/1.55 ui-sans-serif,system-ui,"Segoe UI","DejaVu Sans",sans-serif);
}
.frame{
  display:grid;grid-template-rows:minmax(0,auto) minmax(0,1fr) auto auto auto;position:relative;overflow:hidden;
  inline-size:var(--channel-chat-width,auto);block-size:var(--channel-chat-height,min(44em,78dvh));min-block-size:min(22em,var(--visible,22em));max-block-size:var(--visible,none);
  background:var(--surface);border:1px solid var(--edge);border-radius:var(--channel-chat-radius,4px);
}
:is(.log,button,textarea,a,pre,.scroll):focus-visible{outline:3px solid var(--focus);outline-offset:-3px}
button,.notice a{
  font:inherit;font-weight:600;color:inherit;background:none;border:1px solid var(--ink);border-radius:2px;
  min-block-size:2.75em;min-inline-size:2.75em;padding:0 1.1em;cursor:pointer;align-content:center;text-decoration:none;
}

.head{display:grid;overflow:hidden;grid-template-columns:minmax(0,1fr) auto;gap:.25em 1em;padding:.75em 1em;border-block-end:1px solid var(--hair)}
.title{margin:0;font-size:1em;font-weight:650;display:flex;flex-wrap:wrap;align-items:baseline;gap:0 .6em;overflow-wrap:anywhere}
.demo{font-size:.75em;font-weight:400;color:var(--ink-2);border:1px dashed var(--edge);border-radius:2px;padding:0 .4em}
.state{font-size:.8125em;color:var(--ink-2);align-self:center}
.meter{grid-column:1/-1;display:grid;gap:.25em}
.tape{
  block-size:.625em;position:relative;border-block-end:2px solid var(--edge);
  background:repeating-linear-gradient(90deg,var(--edge) 0 1px,transparent 1px 10%);
}
.tape::after{
  content:"";position:absolute;inset-block:0;inset-inline:90% 0;
  background:repeating-linear-gradient(115deg,var(--alert) 0 2px,transparent 2px 5px);
}
.needle{position:absolute;inset-block:-3px -4px;inset-inline-start:0;inline-size:2px;margin-inline-start:-1px;background:var(--ink);z-index:1}
.captions{margin:0;display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1em;font-size:.8125em;color:var(--ink-2);font-variant-numeric:tabular-nums}
:is(.captions span,.notice p){unicode-bidi:plaintext}
.short{display:none}

.log{
  overflow-y:auto;overscroll-behavior:contain;overflow-anchor:none;scrollbar-gutter:stable;
  padding:1em clamp(1em,3cqi,1.75em);
}
article{max-inline-size:68ch;margin-block-end:1.25em;overflow-wrap:anywhere}
:is(.mine,.theirs){margin-inline-start:auto;inline-size:fit-content;min-inline-size:12ch;max-inline-size:min(48ch,88%);background:var(--paper);border-inline-start:3px solid var(--ink);padding:.6em .9em;position:relative;display:grid;grid-template-columns:1fr auto;gap:0 1em}
.theirs{border-inline-start-color:var(--edge)}
:is(.mine,.theirs)>.foot{grid-area:1/2;margin-block:-.8em}
:is(.mine,.theirs)>.body{grid-column:1/-1}
.pending .body{color:var(--ink-2)}
.answer:last-child{min-block-size:var(--room);margin-block-end:0}
.mine:last-child::after{content:"";position:absolute;inset-block-start:100%;inline-size:1px;block-size:var(--room)}
.who{display:block;font-size:.8125em;font-weight:600;color:var(--ink-2);margin-block-end:.2em}
.plain{white-space:pre-wrap}
.thinking .body::before{content:attr(data-thinking);color:var(--ink-2)}
.foot{display:flex;flex-wrap:wrap;align-items:center;justify-content:flex-end;gap:0 .75em;font-size:.8125em;color:var(--ink-2)}
.answer .foot{justify-content:flex-start}
.live .foot,.pending .foot{visibility:hidden}
.note{flex-basis:100%;margin:.4em 0 0}
article:not(:last-child) .link,.paused :is(.link,.starters){display:none}
.copy,.link{border:0;padding:0 .25em;font-weight:400;text-decoration:underline;text-underline-offset:.2em;color:inherit}
.link{color:var(--ink);font-weight:600}
.no-clipboard [data-copy]{display:none}
@media (hover:hover){
  :is(.copy,time){opacity:0}
  :is(article:hover,article:focus-within) :is(.copy,time){opacity:1}
}

.rich>:first-child{margin-block-start:0}
.rich h3{line-height:1.2;font-size:1.125em;font-weight:650;margin:1.1em 0 .4em}
.rich .minor{font-size:1em}
.rich :is(p,ul,ol){margin:.5em 0}
.rich li:has(>input){list-style:none}
.rich input{margin-inline:-1.4em .5em}
.rich :is(p,li,h3,td,th){unicode-bidi:plaintext}
.rich :is(ul,ol){padding-inline-start:1.6em}
.rich code,.rich pre{font:.875em/1.5 ui-monospace,"DejaVu Sans Mono",monospace}
.rich pre code{font-size:1em}
.code{background:var(--paper);border-radius:2px;margin:.6em 0}
.code>div{display:flex;justify-content:space-between;align-items:center;padding-inline-start:.9em;font-size:.8125em;color:var(--ink-2)}
.code button{border:0;font-weight:400;text-decoration:underline;text-underline-offset:.2em;padding:0 .9em}
.rich pre{overflow-x:auto;margin:0;padding:0 .9em .8em;tab-size:4;direction:ltr;text-align:start;overflow-wrap:normal}
.rich .scroll{overflow-x:auto;margin:.6em 0}
.rich table{border-collapse:collapse;overflow-wrap:normal}
.rich :is(th,td){border-block-end:1px solid var(--hair);padding:.3em .8em .3em 0;text-align:start}
.rich .align-right{text-align:end}
.rich .align-center{text-align:center}
.rich blockquote{margin:.8em 0;padding-inline-start:1em;border-inline-start:3px solid var(--edge);color:var(--ink-2)}
.rich a{color:inherit;text-underline-offset:.2em}
.rich hr{border:0;border-block-start:1px solid var(--hair)}
.live .body:is(.plain,:empty)::after,
.live .rich>:is(p,h3):last-child::after,
.live .rich>:is(ul,ol,blockquote):last-child>:last-child:not(:has(>:is(ul,ol,p)))::after,
.live .rich>:is(ul,ol,blockquote):last-child>:last-child>:is(p,ul:last-child>li,ol:last-child>li):last-child::after,
.live .rich>:is(.code,.scroll):last-child::after{
  content:"";display:inline-block;inline-size:.5ch;block-size:1em;margin-inline-start:2px;vertical-align:-.15em;background:var(--alert);
}

.earlier{display:block;margin:0 auto 1em;border-color:var(--edge);font-weight:400;font-size:.875em}

.welcome{max-inline-size:52ch}
.welcome p{margin:.25em 0 1em;font-size:1.125em}
.starters{list-style:none;margin:0;padding:0;display:grid;gap:.5em;justify-items:start}
.starters button{text-align:start;font-weight:400;border-color:var(--edge);padding:.5em .9em}
.starters button:hover{border-color:var(--ink)}
.skeleton{block-size:1em;background:var(--hair);border-radius:2px;margin-block-end:.75em;inline-size:60%}
.skeleton:nth-child(2){inline-size:80%}
.skeleton:nth-child(3){inline-size:45%}

.jump{display:flex;justify-content:flex-end;padding-inline:1em;border-block-start:1px solid var(--hair);background:var(--surface)}
.jump button{border:0;padding:0 .25em;font-size:.875em;text-decoration:underline;text-underline-offset:.2em}
.notice{
  display:flex;flex-wrap:wrap;align-items:center;gap:.25em .9em;padding:.55em 1.14em;font-size:.875em;
  border-block-start:1px solid var(--hair);font-variant-numeric:tabular-nums;
}
.notice p{margin:0;flex:1 1 22ch}
.notice.warning{border-block-start:2px dashed var(--ochre)}
.notice.alert{border-block-start:2px solid var(--alert)}
.notice.end{padding:1em;font-size:1em;row-gap:.75em}
.notice :not(p){background:var(--surface);min-block-size:44px}

.composer{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:.5em;padding:.75em 1em;border-block-start:1px solid var(--hair)}
textarea{
  font:inherit;font-size:max(1em,16px);color:inherit;background:var(--surface);border:1px solid var(--edge);border-radius:2px;
  padding:.55em .7em;resize:none;field-sizing:content;min-block-size:2.75em;max-block-size:min(9lh,40vh);
}
textarea::placeholder{color:var(--ink-2);opacity:1}
.composer button{align-self:end;background:var(--ink);color:var(--surface)}
.composer button.quiet{background:var(--surface);color:var(--ink)}
.composer button[aria-disabled=true]{background:var(--surface);color:var(--ink-2);border-color:var(--edge);cursor:default}
.hint{grid-column:1/-1;margin:0;font-size:.8125em;color:var(--ink-2)}
.hidden{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}

:host([mode=bubble]){position:fixed;inset-block-end:1rem;inset-inline-end:1rem;z-index:var(--channel-chat-z,1000);container-type:normal}
:host([mode=bubble][placement=start]){inset-inline:1rem auto}
:host([mode=bubble]) .frame{container-type:inline-size;inline-size:min(var(--channel-chat-width,26em),100vw - 2rem);block-size:min(var(--channel-chat-height,40em),100dvh - 7em);margin-block-end:calc(.75em + var(--lift,0px))}
.launcher{
  display:grid;place-items:center;position:relative;margin-inline-start:auto;cursor:pointer;
  inline-size:var(--channel-chat-launcher-size,56px);block-size:var(--channel-chat-launcher-size,56px);
  background:var(--ink);color:var(--surface);border-radius:4px;
}
.launcher::before{content:"";inline-size:45%;block-size:34%;border:2px solid currentColor;border-block-end-width:6px}
.launcher.news::after{content:"";position:absolute;inset-block-start:-4px;inset-inline-end:-4px;inline-size:12px;block-size:12px;border-radius:50%;background:var(--alert)}
.launcher:focus-visible{outline:3px solid var(--focus);outline-offset:3px}

@container (max-width:30em){
  .whole{display:none}
  .short{display:inline}
}
@media (pointer:coarse){.hint{display:none}}
@media (prefers-reduced-motion:no-preference){
  .needle{transition:inset-inline-start .2s linear}
  .live .body::after,.live .rich *::after{animation:breathe 1.6s ease-in-out infinite}
  @keyframes breathe{50%{opacity:.25}}
}
@media (forced-colors:active){
  .tape{forced-color-adjust:none}
  .live .body::after,.live .rich *::after{background:CanvasText;forced-color-adjust:none}
  .composer button[aria-disabled=true]{color:GrayText;border-color:GrayText}
}
`;

/** The looks of all widgets of a page. */
export const sheet = new CSSStyleSheet();
sheet.replaceSync(CSS);
