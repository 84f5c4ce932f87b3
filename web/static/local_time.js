// Times in the visitor's own zone. Without scripts the page shows them and takes them in UTC, and says so.
const language = document.documentElement.lang;
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime())) continue;
  time.title = time.textContent;
  time.textContent = moment.toLocaleString(language, { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
}

const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
const padded = (n) => String(n).padStart(2, "0");
const asLocal = (m) => `${m.getFullYear()}-${padded(m.getMonth() + 1)}-${padded(m.getDate())}T${padded(m.getHours())}:${padded(m.getMinutes())}`;

for (const field of document.querySelectorAll("input[data-local-label]")) {
  const typed = field.value;
  if (typed && !UTC.test(typed)) continue; // what was refused stays as it was typed
  field.labels[0].textContent = field.dataset.localLabel;
  field.type = "datetime-local";
  if (typed) field.value = asLocal(new Date(`${typed.slice(0, 16)}Z`));
  // formdata and not submit: the field itself stays as the visitor sees it, also when they come back to the page.
  field.form.addEventListener("formdata", (event) => {
    if (field.value) event.formData.set(field.name, new Date(field.value).toISOString().slice(0, 16));
  });
}
