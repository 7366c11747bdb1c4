using RbdReplication.Core;
using RbdReplication.Csi.Cli;

ClientLibraries.ShareMemory();
return await (ClientLibraries.RunApart(args) ?? CommandLine.RunAsync(args));
