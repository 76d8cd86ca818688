console.log("set-get: nothing to show yet");
