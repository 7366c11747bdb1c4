using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A Ceph user and its key, as CSI secrets carry them.</summary>
/// <param name="User">Ceph user without <c>client.</c>.</param>
/// <param name="Key">The key; its text form is redacted.</param>
public sealed record CephCredentials(string User, CephKey Key)
{
    /// <summary>Secret field that holds the user.</summary>
    public const string UserField = "userID";

    /// <summary>Secret field that holds the key.</summary>
    public const string KeyField = "userKey";

    // Ceph's own limit is larger; nobody has such a name, and it goes into messages and names of threads.
    private const int MaximumUserLength = 256;

    /// <summary>Takes the credentials out of the secrets of a request.</summary>
    /// <exception cref="ReplicationException">
    /// <see cref="ReplicationError.InvalidArgument"/>: a field is missing, or the user is no name. <see cref="ReplicationError.AccessDenied"/>: the
    /// key is no cephx key.
    /// </exception>
    public static CephCredentials FromSecrets(IReadOnlyDictionary<string, string> secrets)
    {
        var user = Field(secrets, UserField);
        if (user.Length > MaximumUserLength || user.Any(char.IsControl))
            throw new ReplicationException(ReplicationError.InvalidArgument, $"the secret's {UserField} cannot be the name of a Ceph user: it is longer than {MaximumUserLength} characters or holds control characters");
        var key = CephKey.TryParse(Field(secrets, KeyField))
            ?? throw new ReplicationException(ReplicationError.AccessDenied, $"the secret's {KeyField} is not a cephx key: it must be the base64 text that 'ceph auth get-key client.{user}' prints");
        return new CephCredentials(user, key);
    }

    private static string Field(IReadOnlyDictionary<string, string> secrets, string name) =>
        secrets.TryGetValue(name, out var value) && !string.IsNullOrWhiteSpace(value)
            ? value.Trim()
            : throw new ReplicationException(ReplicationError.InvalidArgument, $"the request's secrets have no {name}; name a secret with {UserField} and {KeyField} in the VolumeReplicationClass, the NetworkFence, or for reclaiming space as the StorageClass's node stage secret");
}
