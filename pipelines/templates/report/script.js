"use strict";
// The persona switch: shows one view of each part of a journey.
for (const journey of document.querySelectorAll("[data-journey]")) {
  const choice = journey.querySelector("[data-switch]");
  if (!choice) continue;
  const show = (chosen) => {
    for (const view of journey.querySelectorAll("[data-view]")) view.hidden = view.dataset.view !== chosen;
  };
  choice.hidden = false;
  choice.addEventListener("change", (event) => show(event.target.value));
  show(choice.querySelector("input:checked").value);
}

// What if: between today and the ideal a gain is multilinear in how far each gap is closed.
const amount = (value) =>
  Math.abs(value) >= 9.5 || value === 0
    ? value.toLocaleString("en-US", { maximumFractionDigits: 0 })
    : value.toFixed(1);
const percent = (rate) => {
  const points = rate * 100;
  return `${points.toFixed(points >= 20 ? 0 : points >= 2 ? 1 : 2)}\u00a0%`;
};
for (const part of document.querySelectorAll("[data-what-if]")) {
  const known = JSON.parse(part.dataset.whatIf);
  const sliders = [...part.querySelectorAll("input[type=range]")];
  const answer = () => {
    const shares = sliders.map((slider) => slider.value / 100);
    const sums = [0, 0, 0, 0, 0, 0];
    known.gains.forEach((gain, subset) => {
      const weight = shares.reduce((product, share, place) => product * ((subset >> place) & 1 ? share : 1 - share), 1);
      gain.forEach((value, index) => { sums[index] += weight * value; });
    });
    const [conversions, low, high, money, moneyLow, moneyHigh] = sums;
    const priced = known.priced;
    part.querySelector(".result").textContent =
      `+${amount(conversions)} ${known.goal} a week` + (priced ? `, +${amount(money)} ${known.currency}` : "");
    part.querySelector(".range").textContent =
      `likely ${amount(low)} to ${amount(high)}` +
      (priced ? `, ${amount(moneyLow)} to ${amount(moneyHigh)} ${known.currency}` : "");
    sliders.forEach((slider, place) => {
      const [observed, target] = known.rates[place];
      const rate = percent(observed + (target - observed) * shares[place]);
      slider.nextElementSibling.textContent = rate;
      slider.setAttribute("aria-valuetext", rate);
    });
  };
  for (const slider of sliders) {
    slider.disabled = false;
    slider.addEventListener("input", answer);
  }
  const buttons = part.querySelector(".buttons");
  buttons.hidden = false;
  buttons.addEventListener("click", (event) => {
    if (!event.target.dataset.share) return;
    for (const slider of sliders) slider.value = event.target.dataset.share;
    answer();
  });
  answer();
}
