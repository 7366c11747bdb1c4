using RbdReplication.Core;

namespace RbdReplication.Tests.Groups;

public sealed class GroupParametersTests
{
    private static Dictionary<string, string> Class(params (string Key, string Value)[] more)
    {
        Dictionary<string, string> parameters = new() { ["clusterID"] = "c", ["pool"] = "p" };
        foreach (var (key, value) in more)
            parameters[key] = value;
        return parameters;
    }

    private static void Refused(string message, Dictionary<string, string> parameters)
    {
        var refusal = Assert.Throws<ReplicationException>(() => GroupParameters.Parse(parameters));
        Assert.Equal(ReplicationError.InvalidArgument, refusal.Error);
        Assert.Contains(message, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cluster_and_pool_are_required_and_the_rest_has_defaults()
    {
        Assert.Equal(new GroupParameters("c", "p", "csi-vol-group-", FlattenMode.Never), GroupParameters.Parse(Class(("schedulingInterval", "5m"))));
        Assert.Equal(
            new GroupParameters("c", "p", "mine-", FlattenMode.Force), GroupParameters.Parse(Class(("volumeNamePrefix", "mine-"), ("flattenMode", "force"), ("journalPool", "p"))));
        Refused("parameter clusterID is missing; it names the cluster", Class(("clusterID", "")));
        Refused("parameter pool is missing; it names the pool", new() { ["clusterID"] = "c" });
    }

    [Fact]
    public void What_would_lose_the_group_or_cannot_be_a_name_is_refused()
    {
        Refused("parameter journalPool is \"other\", and must be p like pool", Class(("journalPool", "other")));
        Refused("parameter volumeNamePrefix is \"a/b\", and must be the beginning of a name", Class(("volumeNamePrefix", "a/b")));
        Refused("parameter volumeNamePrefix is \"a@b\"", Class(("volumeNamePrefix", "a@b")));
        Refused("parameter flattenMode is \"yes\", and must be never or force", Class(("flattenMode", "yes")));
    }
}
