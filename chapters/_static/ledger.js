/* The filter of the page of claims, kept in the address. Without this script all cards show. */
(() => {
  const option = (name, values, texts = values) => {
    const label = document.createElement("label");
    const field = document.createElement("select");
    field.name = name.toLowerCase();
    field.add(new Option("all", ""));
    values.forEach((value, at) => field.add(new Option(texts[at], value)));
    label.append(`${name} `, field);
    return label;
  };

  const search = () => {
    const label = document.createElement("label");
    const field = document.createElement("input");
    field.type = "search";
    field.name = "q";
    field.autocomplete = "off";
    label.append("Contains ", field);
    return label;
  };

  const read = (card) => {
    const section = card.closest("section");
    return {
      card,
      section,
      chapter: section.id,
      title: section.querySelector("h2").firstChild.textContent.trim(),
      kind: card.querySelector(".claim-kind").textContent,
      verdict: card.querySelector(".sd-badge").textContent,
      // Read once, before formulas are drawn: their text is then what an author would type.
      text: card.textContent.toLowerCase(),
    };
  };

  const form = (entries) => {
    const made = document.createElement("form");
    made.className = "claims-filter";
    made.setAttribute("role", "search");
    made.setAttribute("aria-label", "Filter the claims");
    const chapters = new Map(entries.map((entry) => [entry.chapter, entry.title]));
    const count = document.createElement("output");
    count.setAttribute("aria-live", "polite");
    const all = document.createElement("button");
    all.type = "reset";
    all.textContent = "Show all";
    made.append(
      option("Chapter", [...chapters.keys()], [...chapters.values()]),
      option("Kind", ["check", "finding", "proof"]),
      option("Verdict", ["PROVED", "PASS", "FAIL", "NOT RUN"]),
      search(),
      all,
      count,
    );
    return made;
  };

  const build = () => {
    const entries = [...document.querySelectorAll(".claim-card")].map(read);
    if (!entries.length) return;
    const filter = form(entries);
    const fields = [...filter.querySelectorAll("[name]")];
    const value = (name) => filter.elements[name].value;

    const keep = () => {
      const address = new URLSearchParams(location.search);
      for (const { name, value } of fields) value ? address.set(name, value) : address.delete(name);
      const query = address.toString();
      history.replaceState(null, "", `${location.pathname}${query && "?"}${query}${location.hash}`);
    };

    const apply = () => {
      const words = value("q").toLowerCase().split(/\s+/).filter(Boolean);
      for (const entry of entries) {
        const fits = ["chapter", "kind", "verdict"].every((key) => !value(key) || entry[key] === value(key));
        entry.card.hidden = !(fits && words.every((word) => entry.text.includes(word)));
      }
      const shown = entries.filter((entry) => !entry.card.hidden);
      const sections = new Set(shown.map((entry) => entry.section));
      for (const { section } of entries) section.hidden = !sections.has(section);
      filter.querySelector("output").value = `${shown.length} of ${entries.length} shown`;
    };

    const clear = () => {
      for (const field of fields) field.value = "";
      apply();
      keep();
    };

    // A link to a card must find it, whatever the filter hides; of a claim's own name it is the link.
    const reveal = () => {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (target?.closest(".claim-card")?.hidden) {
        clear();
        target.scrollIntoView();
      }
    };

    const asked = new URLSearchParams(location.search);
    for (const field of fields) {
      const wanted = asked.get(field.name) ?? "";
      // What the address asks for and the page has not is not asked.
      if (field.tagName === "INPUT" || [...field.options].some((one) => one.value === wanted)) field.value = wanted;
    }
    filter.addEventListener("input", () => {
      apply();
      keep();
    });
    filter.addEventListener("submit", (event) => event.preventDefault());
    filter.addEventListener("reset", (event) => {
      event.preventDefault();
      clear();
    });
    entries[0].section.before(filter);
    apply();
    reveal();
    window.addEventListener("hashchange", reveal);
  };

  document.addEventListener("DOMContentLoaded", build);
})();
