// Fills the table of findings. What comes from data goes into text nodes, never into HTML.
const SEVERITY = 0, CHANGE = 1, VERDICT = 2, KIND = 3, ORGANIZATION = 4, SUBJECT = 5, CENTS = 6, UNITS = 7, NIGHTS = 8;
const CAUSE = 9, EXPLANATION = 10, BROKEN_SINCE = 11, FIRST_SEEN = 12, LAST_SEEN = 13, ID = 14, ACCEPTED = 15, COMMAND = 16;

const unpacked = (id) => {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (one) => one.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
};
const source = new Blob([await unpacked("table-component").text()], { type: "text/javascript" });
const { default: DataTable } = await import(URL.createObjectURL(source));
const { rows, severities } = await unpacked("findings-data").json();

const dark = matchMedia("(prefers-color-scheme: dark)");
const followColours = () => document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", followColours);
followColours();

const words = (name) => (name ?? "").replaceAll("_", " ");
const escaped = (text) => Object.assign(document.createElement("i"), { textContent: text ?? "" }).innerHTML;
const amount = (value, digits) => value ? value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits || 2 }) : "";
const text = (show) => (value, type) => type === "display" ? escaped(show(value)) : type === "filter" ? show(value) : value ?? "";
const ranked = (value, type) => type === "sort" ? severities.indexOf(value) : type === "display" ? escaped(value) : value;
const choose = { columnControl: [["searchList"]] };

const column = (data, render, more = {}) => ({ data, render, type: "string", ...more });  // told, so that it is not guessed
let isReady = false;
const table = new DataTable("#findings-table", {
  data: rows,
  columns: [
    column(SEVERITY, ranked, { ...choose, createdCell: (cell, value) => cell.classList.add(value) }),
    column(CHANGE, text(words), choose),
    column(VERDICT, text(words), { ...choose, className: "narrow-out" }),
    column(KIND, text(words), choose),
    column(ORGANIZATION, text(words), { className: "id" }),
    column(SUBJECT, text((value) => value), { className: "id narrow-out" }),
    column(CENTS, text((cents) => amount(cents / 100, 2)), { className: "number", type: "num" }),
    column(UNITS, text((units) => amount(units, 0)), { className: "number narrow-out", type: "num" }),
    column(NIGHTS, text((nights) => String(nights)), { className: "number", type: "num" }),
    column(EXPLANATION, (value, type) => type === "display" ? `<div class="clip">${escaped(value)}</div>` : value, { orderable: false }),
  ],
  order: [],
  stateSave: true,
  stateDuration: 0,
  stateSaveCallback: (_, { search, order, columns, columnControl }) => {
    const lists = Object.values(columnControl ?? {}).flatMap((one) => one.searchList ?? []);
    const isPlain = !search.search && !order.length && !lists.length && columns.every((one) => !one.search.search);
    const view = { search: search.search, order, columns: columns.map((one) => one.search), columnControl };
    if (isReady) remember(isPlain ? [["view", null]] : [["view", encodeURIComponent(JSON.stringify(view))], ...forgotten()]);
  },
  stateLoadCallback: () => {
    try {
      const view = JSON.parse(decodeURIComponent(/(?:^|[#&])view=([^&]*)/.exec(location.hash)[1]));
      return { ...view, time: Date.now(), start: 0, length: 25, search: { search: String(view.search), smart: true, regex: false, caseInsensitive: true }, columns: view.columns.map((search) => ({ visible: true, search })) };
    } catch { return null; }
  },
  createdRow: (line) => { line.tabIndex = 0; line.setAttribute("aria-expanded", "false"); },
  autoWidth: false,
  deferRender: true,
  pageLength: 25,
  lengthMenu: [10, 25, 100, 500],
  layout: { topStart: "info", topEnd: "search", bottomStart: "pageLength", bottomEnd: "paging" },
  language: { search: "Search:", info: "_START_ to _END_ of _TOTAL_ findings; USD and units: plus is owed to us, minus to the customer" },
});

const served = document.body.dataset.served;  // `billing-dq serve` says so: there are pages beside this one
const element = (tag, content, attributes = {}) => Object.assign(document.createElement(tag), { textContent: content, ...attributes });
const more = (row) => {
  const box = element("div", "", { className: "more evidence" });
  box.append(element("p", row[EXPLANATION], { className: "text" }));
  const broken = row[BROKEN_SINCE] ? `, broken since ${row[BROKEN_SINCE].slice(0, 10)}` : "";
  const life = `${row[ID]}${broken}, first seen ${row[FIRST_SEEN]}, last seen ${row[LAST_SEEN]}`;
  box.append(element("p", [words(row[CAUSE]), row[ACCEPTED], life].filter(Boolean).join(" · "), { className: "quiet" }));
  box.append(element("p", "Subject: " + row[SUBJECT], { className: "quiet" }));
  if (served) box.append(element("a", "The page of this finding", { href: `/findings/${row[ID]}` }));
  if (served && row[ORGANIZATION]) box.append(" · ", element("a", "This organization over time", { href: `/organizations/${row[ORGANIZATION]}` }));
  const evidence = document.querySelector(`template[data-finding="${CSS.escape(row[ID])}"]`);
  if (evidence) box.append(evidence.content.cloneNode(true));
  else box.append(element("code", row[COMMAND]), element("a", `Runbook: ${words(row[KIND])}`, { href: `#runbook-${row[KIND].replaceAll("_", "-")}` }));
  return box;
};

// The address says what is shown: `#finding-...` the open finding, `view=...` search, filters and order.
const address = () => new Map(location.hash.slice(1).split("&").filter(Boolean).map((part) => part.split("=")));
const remember = (changes) => {
  const parts = [...new Map([...address(), ...changes])].filter(([, value]) => value !== null);
  const hash = parts.map(([name, value]) => value === undefined ? name : `${name}=${value}`).sort().join("&");
  history.replaceState(null, "", `#${hash}`);
};
const forgotten = () => [...address().keys()].filter((name) => name.startsWith("finding-")).map((name) => [name, null]);
const toggle = (line, isOpen) => {
  const row = table.row(line);
  if (!row.data()) return;
  if (isOpen) row.child(more(row.data()), "child").show();
  else row.child.hide();
  line.setAttribute("aria-expanded", String(isOpen));
  remember([...forgotten(), ...(isOpen ? [[`finding-${row.data()[ID]}`, undefined]] : [])]);
};
table.on("click", "tbody tr", (event) => {
  const line = event.target.closest("tr");
  if (!event.target.closest(".more") && !getSelection().toString()) toggle(line, !table.row(line).child.isShown());
});
table.on("keydown", "tbody tr", (event) => {
  if (event.target.tagName !== "TR" || !["Enter", " "].includes(event.key)) return;
  event.preventDefault();
  toggle(event.target, !table.row(event.target).child.isShown());
});
const openFinding = () => {
  const id = [...address().keys()].find((name) => name.startsWith("finding-"))?.slice("finding-".length);
  if (!id) return;
  const index = rows.findIndex((row) => row[ID] === id);
  if (index < 0) return;
  let place = table.rows({ order: "applied", search: "applied" }).indexes().toArray().indexOf(index);
  if (place < 0) {  // a filter hides it
    table.search("").columns().search("").draw();
    place = table.rows({ order: "applied" }).indexes().toArray().indexOf(index);
  }
  table.page(Math.floor(place / table.page.len())).draw("page");
  const line = table.row(index).node();
  toggle(line, true);
  line.scrollIntoView();
  line.focus({ preventScroll: true });
};

for (const button of document.querySelectorAll("[data-change]")) {
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    for (const other of document.querySelectorAll("[data-change]")) other.setAttribute("aria-pressed", String(on && other === button));
    table.column(CHANGE).search(on ? `^${button.dataset.change}$` : "", true, false).draw();
    document.getElementById("findings").scrollIntoView({ behavior: "smooth" });
  });
}

isReady = true;
const openSection = () => {
  const section = document.getElementById(location.hash.slice(1));
  const details = section?.closest("details");
  if (details) { details.open = true; section.scrollIntoView(); }
  else openFinding();
};
addEventListener("hashchange", openSection);
openSection();

let length = 25;
addEventListener("beforeprint", () => { length = table.page.len(); table.page.len(-1).draw(false); });
addEventListener("afterprint", () => table.page.len(length).draw(false));
document.documentElement.dataset.ready = "yes";
