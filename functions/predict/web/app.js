// The shell: navigation, what answers, the theme, and the page that the address names.
import { address, enterToken, get, token } from "./api.js";
import { announce, html, render, useEffect, useRef, useState } from "./dom.js";
import { moment, percent } from "./format.js";
import { Icon } from "./icons.js";
import { link } from "./links.js";
import { usePoll } from "./poll.js";
import { PAGES, useRoute } from "./router.js";
import { restoreTheme, toggleTheme, useTheme } from "./theme.js";
import { TokenDialog } from "./token.js";

function App() {
  const current = useRoute();
  const main = useRef(null);
  const isFirst = useRef(true);
  const title = current.page?.title ?? "Not found";
  useEffect(() => {
    document.title = `${title} · Earshot`;
    // The address has changed, not the document: those who listen or use keys are taken along.
    if (!isFirst.current) {
      announce(title);
      main.current.focus();
      scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [current.name]);
  return html`
    <a class="skip" href="#main" onClick=${skipTo(main)}>Skip to the page</a>
    <header class="rail">
      <a class="brand" href=${link("listen")}>
        <svg class="logo" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
          <circle cx="6.5" cy="25.5" r="3" />
          <path d="M6.5 15.500a10 10 0 0 1 10 10M6.5 5.500a20 20 0 0 1 20 20" />
        </svg>
        <span>Earshot</span>
      </a>
      <nav aria-label="Pages">
        ${PAGES.map((page) => html`
          <a key=${page.path} href=${link(page.path)}
            aria-current=${page === current.page ? "page" : null}>
            <${Icon} name=${page.path} /><span>${page.title}</span>
          </a>`)}
      </nav>
      <${Foot} />
    </header>
    <main id="main" ref=${main} tabindex="-1" aria-label=${title}>
      <${Page} key=${current.name} route=${current} />
    </main>
    <${TokenDialog} />`;
}

const skipTo = (target) => (event) => {
  event.preventDefault();
  target.current.focus();
};

function Foot() {
  const now = useTheme();
  const { data, problem } = usePoll((signal) => get("/status", { signal }), [], { every: 5000 });
  const model = data?.model;
  const other = now === "dark" ? "light" : "dark";
  return html`
    <div class="foot">
      <p class="serving" aria-label="In service">
        <i class=${problem ? "dot bad" : model ? "dot good" : "dot"}></i>
        ${problem && html`<span>${problem.message}</span>`}
        ${!problem && model && html`<span>
          <b>${data.name.replace("Earshot: ", "")}</b>
          <span class="soft"> ${model.version}</span>
          ${model.accuracy != null && html`<span class="soft detail">${percent(model.accuracy)} right on
            held-out clips, trained ${moment(model.trained_at)}</span>`}
        </span>`}
        ${!problem && data && !model && html`<span>No model yet</span>`}
      </p>
      <p class="tools">
        <a href=${address("docs").href}>API</a>
        <button class="bare" onClick=${() => enterToken()} title="Token" aria-label="Token">
          <${Icon} name="key" size=${18} />${token.get() ? html`<i class="dot good"></i>` : null}
        </button>
        <button class="bare" onClick=${toggleTheme} title=${`Go ${other}`} aria-label=${`Go ${other}`}>
          <${Icon} name=${now === "dark" ? "sun" : "moon"} size=${18} />
        </button>
      </p>
    </div>`;
}

function Page({ route }) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    route.page?.load().then(
      (module) => setFound(() => module.default),
      () => setFound(() => Missing),
    );
  }, []);
  if (!route.page) {
    return html`<h1>Not found</h1><p>There is no page ${route.name} here. <a href=${link("listen")}>Listen</a>.</p>`;
  }
  return found && html`<${found} rest=${route.rest} query=${route.query} />`;
}

function Missing() {
  return html`<h1>Not loaded</h1><p role="alert">This page did not load.
    <button onClick=${() => location.reload()}>Load again</button></p>`;
}

restoreTheme();
render(html`<${App} />`, document.getElementById("app"));
