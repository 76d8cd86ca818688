console.log("udp-node: nothing to show yet");
