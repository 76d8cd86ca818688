console.log("in-memory: nothing to show yet");
