/* The filter of the claims table. Without this script the whole table shows. */
(() => {
  const cellText = (row, index) => row.cells[index].textContent.trim();

  const choice = (name, values) => {
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.add(new Option("all", ""));
    for (const value of values) select.add(new Option(value, value));
    label.append(`${name} `, select);
    return { label, field: select };
  };

  const search = (name) => {
    const label = document.createElement("label");
    const field = document.createElement("input");
    field.type = "search";
    field.autocomplete = "off";
    label.append(`${name} `, field);
    return { label, field };
  };

  const build = (holder) => {
    const table = holder.querySelector("table");
    if (!table?.tBodies[0]) return;
    const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    const [verdictAt, chapterAt] = ["Verdict", "Chapter"].map((name) => heads.indexOf(name));
    if (verdictAt < 0 || chapterAt < 0) return;
    // Read once, before formulas are drawn: their text is then what an author would type.
    const rows = [...table.tBodies[0].rows].map((row) => ({
      row,
      verdict: cellText(row, verdictAt),
      chapter: cellText(row, chapterAt),
      text: row.textContent.toLowerCase(),
    }));
    const values = (key) => [...new Set(rows.map((entry) => entry[key]))];

    const verdict = choice("Verdict", values("verdict"));
    const chapter = choice("Chapter", values("chapter"));
    const words = search("Contains");
    const count = document.createElement("output");
    count.setAttribute("aria-live", "polite");
    const form = document.createElement("form");
    form.className = "claims-filter";
    form.setAttribute("role", "search");
    form.setAttribute("aria-label", "Filter the claims");
    form.append(verdict.label, chapter.label, words.label, count);

    const apply = () => {
      const wanted = words.field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const entry of rows) {
        const fits =
          (!verdict.field.value || entry.verdict === verdict.field.value) &&
          (!chapter.field.value || entry.chapter === chapter.field.value) &&
          wanted.every((word) => entry.text.includes(word));
        entry.row.hidden = !fits;
        shown += fits;
      }
      count.value = `${shown} of ${rows.length} shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    holder.before(form);
    apply();
    // A link to a row must find it, whatever the filter hides.
    window.addEventListener("hashchange", () => {
      if (holder.querySelector(`[id="${CSS.escape(location.hash.slice(1))}"]`)?.closest("tr").hidden) {
        form.reset();
        apply();
      }
    });
  };

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".claims-table").forEach(build));
})();
