// Package mark is a module of the project's own.
package mark

import "strings"

// Cut gives a notch for each line.
func Cut(lines int) string { return strings.Repeat("|", lines) }
