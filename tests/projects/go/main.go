// Command stick notches a stick for each line that it reads.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"example.org/mark"
	"github.com/BurntSushi/toml"
	"github.com/davecgh/go-spew/spew"
	"github.com/dustin/go-humanize"
	"github.com/google/shlex"
	"github.com/google/uuid"
	"github.com/mattn/go-runewidth"
	"github.com/pkg/errors"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, errors.Wrap(err, "cannot read"))
		os.Exit(1)
	}
	lines := strings.Count(string(text), "\n")
	words, _ := shlex.Split(string(text))
	var settings struct{ Wood string }
	if _, err := toml.Decode(`Wood = "hazel"`, &settings); err != nil {
		panic(err)
	}
	fmt.Println("stick", mark.Cut(lines), settings.Wood)
	fmt.Println("lines", humanize.Comma(int64(lines)), "wide", runewidth.StringWidth(strings.Join(words, "")))
	fmt.Println("name", uuid.NewSHA1(uuid.NameSpaceURL, text))
	fmt.Print(spew.Sdump(words))
}
