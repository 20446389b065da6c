// Shows the OpenAPI document of this server and lets a person try its requests.
"use strict";

let token = "";

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

const resolve = (api, schema) =>
  schema && schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema || {};

function typeOf(api, schema) {
  if (!schema) return "";
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map((part) => typeOf(api, part)).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(api, schema.items)}`;
  if (schema.$ref) return schema.$ref.split("/").pop();
  return schema.contentEncoding === "base64" ? "file" : schema.type || "any";
}

function example(api, schema, depth = 0) {
  const real = resolve(api, schema);
  if ("default" in real && real.default !== null) return real.default;
  if (real.enum) return real.enum[0];
  if (real.anyOf) return example(api, real.anyOf[0], depth);
  if (real.type === "object" && depth < 5) {
    const fields = Object.entries(real.properties || {});
    return Object.fromEntries(fields.map(([name, part]) => [name, example(api, part, depth + 1)]));
  }
  if (real.type === "array") return [example(api, real.items, depth + 1)];
  return { integer: 0, number: 0, boolean: false, string: "…" }[real.type] ?? null;
}

function fieldsTable(api, schema) {
  const real = resolve(api, schema);
  const rows = Object.entries(real.properties || {}).map(([name, part]) => {
    const need = (real.required || []).includes(name) ? "required" : "optional";
    return element("tr", {}, element("td", {}, name), element("td", {}, typeOf(api, part)),
      element("td", {}, [need, part.description].filter(Boolean).join(" · ")));
  });
  return element("table", {}, ...rows);
}

function answers(api, operation) {
  const box = element("details", {}, element("summary", {}, "Answers"));
  for (const [status, answer] of Object.entries(operation.responses)) {
    const schema = answer.content?.["application/json"]?.schema;
    box.append(element("h4", {}, `${status} ${answer.description}`));
    if (schema) box.append(element("pre", {}, JSON.stringify(example(api, schema), null, 2)));
  }
  return box;
}

function tryIt(method, path, operation, body) {
  const form = element("form");
  const media = body && Object.keys(body.content)[0];
  const upload = media === "multipart/form-data";
  let input;
  if (upload) {
    input = element("input", { type: "file", multiple: "", "aria-label": "files", accept: "image/*" });
    form.append(input, element("h4", {}, "other fields"), element("textarea", { "aria-label": "fields" }));
    form.querySelector("textarea").value = '{"icp_type": "school", "enhance": "false"}';
  } else if (body) {
    input = element("textarea", { "aria-label": "body" });
    form.append(input);
  }
  const result = element("pre", { hidden: "" });
  const address = element("input", { "aria-label": "path", size: "50", value: path });
  form.append(element("p", {}, address, " ", element("button", {}, "Send")), result);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    let payload;
    if (upload) {
      payload = new FormData();
      for (const file of input.files) payload.append("file[]", file);
      const others = JSON.parse(form.querySelector("textarea").value || "{}");
      for (const [name, value] of Object.entries(others)) payload.append(name, value);
    } else if (body) {
      headers["Content-Type"] = "application/json";
      payload = input.value;
    }
    result.hidden = false;
    result.textContent = "…";
    try {
      const response = await fetch(address.value, { method: method.toUpperCase(), headers, body: payload });
      const text = await response.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it came */ }
      result.textContent = `${response.status}\n${shown}`;
    } catch (error) {
      result.textContent = `No answer: ${error.message}`;
    }
  });
  return { form, input: upload ? null : input };
}

function show(api, method, path, operation) {
  const article = element("article", { id: operation.operationId },
    element("h3", {}, element("b", {}, method.toUpperCase()), path),
    element("p", {}, operation.summary + (operation.security ? "" : " (no access token needed)")));
  if (operation.parameters) {
    const rows = operation.parameters.map((p) => element("tr", {}, element("td", {}, p.name),
      element("td", {}, p.in), element("td", {}, p.description)));
    article.append(element("h4", {}, "Parameters"), element("table", {}, ...rows));
  }
  const content = operation.requestBody?.content;
  if (content) {
    const [media, { schema }] = Object.entries(content)[0];
    article.append(element("h4", {}, `Body: ${media}`), fieldsTable(api, schema));
  }
  article.append(answers(api, operation));
  const attempt = tryIt(method, path, operation, operation.requestBody);
  if (attempt.input) {
    attempt.input.value = JSON.stringify(example(api, Object.values(content)[0].schema), null, 2);
  }
  article.append(element("details", {}, element("summary", {}, "Try it"), attempt.form));
  return article;
}

async function load() {
  const api = await (await fetch("/openapi.json")).json();
  document.getElementById("version").textContent = api.info.version;
  const paragraphs = api.info.description.split("\n\n").map((text) => element("p", {}, text));
  document.getElementById("description").replaceChildren(...paragraphs);
  const byTag = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0];
      byTag.set(tag, [...(byTag.get(tag) || []), [method, path, operation]]);
    }
  }
  const main = document.getElementById("operations");
  const contents = document.getElementById("contents");
  main.replaceChildren();
  for (const [tag, listed] of byTag) {
    main.append(element("h2", {}, tag), ...listed.map((entry) => show(api, ...entry)));
    contents.append(element("strong", {}, tag), ...listed.map(([method, path, operation]) =>
      element("a", { href: `#${operation.operationId}` }, `${method.toUpperCase()} ${path}`)));
  }
}

document.getElementById("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  const response = await fetch("/v1/account/login", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields),
  });
  const body = await response.json();
  token = body.access_token || "";
  document.getElementById("who").textContent = token ? `Logged in as ${fields.email}.` : body.message;
});

load();
