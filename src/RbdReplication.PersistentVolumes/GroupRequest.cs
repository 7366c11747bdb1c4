using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Groups;

namespace RbdReplication.PersistentVolumes;

/// <summary>A VolumeGroupReplicationContent whose group is to be found at this site.</summary>
internal sealed record GroupRequest(VolumeGroupContent Content, VolumeHandle Handle, GroupReservation Reservation, ObjectName Secret, string Pool)
{
    /// <summary>Whether the group needs nothing: its object is being deleted, another driver's, or the group has not been made yet.</summary>
    public static bool IsExempt(VolumeGroupContent content, string driverName) =>
        content.Deleting || content.Driver != driverName || string.IsNullOrEmpty(content.Handle);

    /// <summary>Reads what the journal needs from an object that is not exempt.</summary>
    /// <returns>Null and the problem if the object is broken.</returns>
    public static GroupRequest? From(VolumeGroupContent content, out string problem)
    {
        if (!VolumeHandle.TryParse(content.Handle ?? "", out var handle, out var reason))
            return Broken($"its volumeGroupReplicationHandle '{ReconcileRequest.Shorten(content.Handle ?? "")}' is not valid: {reason}", out problem);
        if (content.Attributes is not { } attributes)
            return Broken($"neither its volumeGroupAttributes nor the parameters of class {content.ClassName} have a pool", out problem);
        if (content.Secret is not { } secret)
            return Broken($"neither its annotations nor the parameters of class {content.ClassName} name a secret by group-replication-secret-name and -namespace", out problem);
        try
        {
            var groupName = GroupParameters.ParsePrefix(attributes.Pool, attributes.JournalPool, attributes.VolumeNamePrefix) + handle.Uuid;
            var reservation = new GroupReservation(content.Name, handle.Uuid, groupName, GroupMember.ParseList(content.VolumeHandles));
            problem = "";
            return new GroupRequest(content, handle, reservation, secret, attributes.Pool);
        }
        catch (ReplicationException e)
        {
            return Broken($"it names no group that can be: {e.Message}", out problem);
        }
    }

    private static GroupRequest? Broken(string reason, out string problem)
    {
        problem = reason;
        return null;
    }
}
