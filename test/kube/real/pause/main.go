// The sandbox of a pod: holds its namespaces until it is told to end, and reaps nobody, as pods share no PIDs.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	<-ended
}
