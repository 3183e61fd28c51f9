// Package control commands hosts over SSH: commands, files, and processes that outlive the connection.
package control
