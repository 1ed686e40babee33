// The list of arrivals as it changes, and the button that tests the link. Without it the page works by reload.
import { follow } from "./arrivals/follow";
import { testOnPress } from "./arrivals/link_test";

const list = document.querySelector<HTMLElement>("[data-follow]");
if (list) follow(list);
const form = document.querySelector<HTMLFormElement>("[data-link-test]");
if (form) testOnPress(form);
