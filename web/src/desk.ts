// The entry of the pages: keys and what the reading page does by script.
import "./keys";
import "./desk/index";
