// The entry of the viewer: keys at once, the images as soon as the heavy part has come.
import "./keys";
