using RbdReplication.Core;
using RbdReplication.Csi.Cli;

ClientLibraries.ShareMemory();
return await CommandLine.RunAsync(args);
