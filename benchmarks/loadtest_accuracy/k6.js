// k6's open model: constant-arrival-rate, with as many virtual users as a stall of a second takes.
import http from "k6/http";
import exec from "k6/execution";

const body = open(__ENV.BODY);
const users = Math.ceil(1.5 * __ENV.RATE);

export const options = {
  discardResponseBodies: true,
  summaryTrendStats: ["p(50)", "p(95)", "p(99)", "p(99.9)"],
  scenarios: {
    open: {
      executor: "constant-arrival-rate",
      rate: Number(__ENV.RATE),
      timeUnit: "1s",
      duration: `${__ENV.SECONDS}s`,
      preAllocatedVUs: users,
      maxVUs: users,
      gracefulStop: "5s",
    },
  },
};

export default function () {
  const headers = {
    "Content-Type": "application/json",
    "X-Request-Id": String(exec.scenario.iterationInTest),
  };
  http.post(__ENV.URL, body, { headers, timeout: `${__ENV.TIMEOUT}s` });
}

export function handleSummary(data) {
  return { stdout: JSON.stringify(data.metrics.http_req_duration.values) };
}
