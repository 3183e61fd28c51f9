// Package report shows a run: as a web page that needs nothing but its own file (the styles are in it, the pictures are
// drawn as SVG, and there is no script), and as a few lines for a terminal.
//
// The page adds operations up before it draws them, so that it is as quick to open for a hundred thousand operations as
// for a hundred. Everything that clients, schedules and nodes have written goes through html/template.
package report
