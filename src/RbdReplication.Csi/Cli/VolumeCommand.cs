using System.CommandLine;
using System.Globalization;
using RbdReplication.Core;

namespace RbdReplication.Csi.Cli;

/// <summary><c>volume</c>: volume handles, and registering an existing image as a CSI volume.</summary>
internal static class VolumeCommand
{
    public static Command Create() => new("volume", "Work with volume handles, and register images as CSI volumes.") { Parse(), Compose(), VolumeImport.Create() };

    private static Command Parse()
    {
        var handle = new Argument<string>("handle") { Description = "Volume handle, as in the PersistentVolume's spec.csi.volumeHandle" };
        var command = new Command("parse", "Print the parts of a volume handle.") { handle };
        command.SetAction(parsed =>
        {
            if (!VolumeHandle.TryParse(parsed.GetRequiredValue(handle), out var volume, out var problem))
            {
                Console.Error.WriteLine($"rbd-replication: not a volume handle of ceph-csi: {problem}");
                return ExitCode.Failure;
            }
            Console.WriteLine($"cluster id  {volume.ClusterId}");
            Console.WriteLine($"pool        {volume.PoolId.ToString(CultureInfo.InvariantCulture)}");
            Console.WriteLine($"uuid        {volume.Uuid}");
            Console.WriteLine($"image       {JournalKeys.DefaultImagePrefix}{volume.Uuid} (unless the journal names another)");
            Console.WriteLine($"journal     {JournalKeys.VolumeObject(volume.Uuid)}");
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Compose()
    {
        var cluster = new Option<string>("--cluster-id") { Description = "Cluster id of the cluster configuration", Required = true };
        var pool = new Option<long>("--pool-id") { Description = "Pool number", Required = true };
        var uuid = new Option<string>("--uuid") { Description = "The volume's uuid", Required = true };
        uuid.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !VolumeHandle.IsUuid(token.Value))
                result.AddError($"--uuid is \"{token.Value}\", and must be a uuid such as 0c23de1c-18fb-11eb-a903-0242ac110005");
        });
        var command = new Command("compose", "Print the volume handle of a cluster id, a pool number and a uuid.") { cluster, pool, uuid };
        command.SetAction(parsed =>
        {
            try
            {
                Console.WriteLine(new VolumeHandle("", 0, parsed.GetRequiredValue(uuid)).WithLocation(parsed.GetRequiredValue(cluster), parsed.GetValue(pool)));
                return ExitCode.Success;
            }
            catch (ArgumentException e)
            {
                Console.Error.WriteLine($"rbd-replication: {e.Message}");
                return ExitCode.Usage;
            }
        });
        return command;
    }
}
