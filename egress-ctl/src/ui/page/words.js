// Numbers and times as people read them.

const UNITS = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];

function count(number) {
  const unit = UNITS.find(([size]) => Math.abs(number) >= size);
  if (!unit) return Number.isInteger(number) ? String(number) : number.toFixed(number < 10 ? 1 : 0);
  const scaled = number / unit[0];
  return `${scaled.toFixed(scaled < 10 ? 1 : 0)} ${unit[1]}`;
}

const two = (number) => String(number).padStart(2, '0');

function clock(time) {
  const at = new Date(time);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

// With the day, where it is another one.
function moment(time) {
  if (!time) return 'never';
  const at = new Date(time);
  const day = at.toDateString() === new Date().toDateString() ? '' : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} `;
  return day + clock(time);
}

function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;
