// A profile without a time zone takes the browser's at its first login.
document.querySelector("[data-time-zone]").value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
