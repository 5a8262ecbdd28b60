// Finds packages on every page, and filters and sorts the tables of packages. Every page can be read without it.
// What strangers wrote reaches the page by textContent alone.
"use strict";
(() => {
  const root = document.body.dataset.root;
  const MOST = 200;
  const rows = [];
  let loading = null;

  // Scripts, since pages that are opened as files may fetch nothing.
  const load = (name) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = root + name;
      script.onload = resolve;
      script.onerror = () => reject(new Error(name));
      document.head.append(script);
    });
  window.tallyRows = (part) => rows.push(...part);
  const loaded = () => {
    loading ??= load("search-0.js").then(async () => {
      for (let part = 1; part < window.tallyParts; part++) await load(`search-${part}.js`);
    });
    return loading;
  };

  // name, system, page, verdict, since, builders, cause
  const text = (row) => [row[0], row[1], row[3], row[6]].join(" ").toLowerCase();
  const matching = (query) => {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    return rows.filter((row) => words.every((word) => text(row).includes(word)));
  };
  const make = (name, said) => {
    const made = document.createElement(name);
    if (said !== undefined) made.textContent = said;
    return made;
  };
  const link = (row) => {
    const made = make("a", row[0]);
    made.href = root + row[2].split("/").map(encodeURIComponent).join("/");
    return made;
  };
  const verdict = (said) => {
    const made = make("span", said);
    made.className = `verdict ${said.replaceAll(" ", "-")}`;
    return made;
  };
  const failed = (status) => () => {
    status.textContent = "The list of packages could not be read.";
  };

  const search = document.getElementById("search");
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  const count = document.getElementById("found-count");
  search.hidden = false;
  find.addEventListener("input", () => {
    const query = find.value;
    loaded().then(() => {
      if (query !== find.value) return;
      const some = query.trim() ? matching(query) : [];
      found.replaceChildren(
        ...some.slice(0, 10).map((row) => {
          const item = make("li");
          const to = link(row);
          to.append(" ", verdict(row[3]));
          item.append(to);
          return item;
        }),
      );
      count.textContent = query.trim() ? `${some.length} found` : "";
    }, failed(count));
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    find.value = "";
    found.replaceChildren();
    count.textContent = "";
    find.focus();
  });

  const form = document.getElementById("filter");
  const table = document.querySelector("table.packages");
  if (!form || !table) return;
  const words = document.getElementById("words");
  const status = document.getElementById("filtered");
  const body = table.tBodies[0];
  const original = [...body.rows];
  const only = form.dataset.only;
  const fields = [0, 1, 3, 4, 5, 6];
  let order = null;
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());

  const render = () => {
    if (!words.value.trim() && order === null) {
      body.replaceChildren(...original);
      status.textContent = "";
      return;
    }
    const mine = matching(words.value).filter(
      (row) => only === "packages" || only === "latest" || row[3].replaceAll(" ", "-") === only,
    );
    if (order) {
      const [field, sign] = order;
      mine.sort((a, b) => {
        const [x, y] = [a[field], b[field]];
        return sign * (typeof x === "number" ? x - y : x < y ? -1 : x > y ? 1 : 0);
      });
    }
    body.replaceChildren(
      ...mine.slice(0, MOST).map((row) => {
        const line = make("tr");
        const head = make("th");
        head.scope = "row";
        head.append(link(row));
        const said = make("td");
        said.append(verdict(row[3]));
        const since = make("td");
        const time = make("time", row[4]);
        time.dateTime = row[4];
        since.append(time);
        line.append(head, make("td", row[1]), said, since, make("td", row[5]), make("td", row[6]));
        return line;
      }),
    );
    status.textContent = `${mine.length} found${mine.length > MOST ? `, the first ${MOST} are shown` : ""}`;
  };
  const again = () => loaded().then(render, failed(status));
  words.addEventListener("input", again);
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    const button = make("button", cell.textContent);
    button.type = "button";
    cell.replaceChildren(button);
    button.addEventListener("click", () => {
      const field = fields[column];
      const sign = order && order[0] === field ? -order[1] : 1;
      order = [field, sign];
      for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      again();
    });
  });
})();
